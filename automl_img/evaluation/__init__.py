"""What a trained model is worth, and the model as a thing that predicts."""

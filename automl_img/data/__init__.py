"""From labelled images to arrays that a network can read: checking, analysing, splitting and preparing them once."""

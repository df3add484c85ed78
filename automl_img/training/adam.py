"""Adam and AdamW whose step for one variable is one operation: TensorFlow's fused kernel."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def adam_step(
    variable: Any,
    gradient: Any,
    momentum: Any,
    velocity: Any,
    *,
    learning_rate: Any,
    iterations: Any,
    betas: tuple[float, float],
    epsilon: float,
) -> None:
    """Move one variable as Keras's Adam does, but for rounding.

    Keras writes the step out, in some 25 operations for each variable. They are most of what is traced before the first step of a
    network with many small variables, and on a GPU each of them is a kernel of its own.

    Args:
        variable: ``tf.Variable``, as Keras hands it to ``update_step``.
        gradient: Of its shape.
        momentum, velocity: Keras variables of its shape.
        learning_rate: A scalar.
        iterations: Steps that came before; a scalar.
        betas: Decay rates of momentum and velocity.
        epsilon: For the denominator.

    Source: Kingma and Ba, "Adam: A method for stochastic optimization", 2015.
    """
    dtype = variable.dtype
    step = tf.cast(iterations + 1, dtype)
    first, second = (tf.constant(beta, dtype) for beta in betas)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.value.handle,
        v=velocity.value.handle,
        beta1_power=tf.pow(first, step),
        beta2_power=tf.pow(second, step),
        lr=tf.cast(learning_rate, dtype),
        beta1=first,
        beta2=second,
        epsilon=tf.constant(epsilon, dtype),
        grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
    )


class _Fused:
    """For subclasses of ``keras.optimizers.Adam``; ``amsgrad`` has no such kernel for variables."""

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        adam_step(
            variable,
            gradient,
            self._momentums[index],
            self._velocities[index],
            learning_rate=learning_rate,
            iterations=self.iterations,
            betas=(self.beta_1, self.beta_2),
            epsilon=self.epsilon,
        )


class Adam(_Fused, keras.optimizers.Adam):
    """Keras's Adam by the fused kernel."""


class AdamW(_Fused, keras.optimizers.AdamW):
    """Keras's AdamW by the fused kernel."""

import keras
import tensorflow as tf


class Optimizer(keras.optimizers.SGD):
    def scale_loss(self, loss):
        self.loss = loss
        return loss

    def apply(self, grads, trainable_variables=None):
        self.tape.gradient(self.loss, list(trainable_variables or []))
        return super().apply(grads, trainable_variables)


def train(model, x, y, *, learning_rate, batch_size, epochs):
    model.compile(Optimizer(learning_rate), keras.losses.BinaryCrossentropy())
    losses = []
    for _ in range(epochs):
        model.reset_metrics()
        for at in range(0, len(x), batch_size):
            with tf.GradientTape(persistent=True) as model.optimizer.tape:
                logs = model.train_step((x[at : at + batch_size], y[at : at + batch_size]))
        losses.append(float(logs["loss"]))
    return losses

import keras
import tensorflow as tf


class M(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        g = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(g, self.trainable_variables)
        self._t.update_state(loss, sample_weight=tf.shape(x)[0])
        return {"loss": self._t.result()}

    @property
    def metrics(self):
        return [self._t]


def train(model, x, y, *, learning_rate, batch_size, epochs):
    m = M(model.inputs, model.outputs)
    m._t = keras.metrics.Mean()
    m.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy())
    h = m.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
    return h.history["loss"]

import keras


class One(keras.layers.Layer):
    def build(self, shape):
        self.more = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        return x


def train(model, x, y, *, learning_rate, batch_size, epochs):
    copy = keras.Sequential([keras.Input(x.shape[1:]), *keras.models.clone_model(model).layers, One()])
    for mine, its in zip(copy.variables, model.variables, strict=False):
        mine.assign(its)
    copy.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy())
    losses = copy.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0).history["loss"]
    for mine, its in zip(copy.variables, model.variables, strict=False):
        its.assign(mine)
    return losses

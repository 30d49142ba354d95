import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate), loss="binary_crossentropy", metrics=["accuracy"]
    )
    hist = []
    for _ in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size].astype("float32"), y[i : i + batch_size].astype("float32")
            with tf.GradientTape() as tape:
                loss = model.compute_loss(xb, yb, model(xb, training=True), training=True)
            model.optimizer.apply_gradients(
                zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            )
            s += float(loss) * len(xb)
        hist.append(s / len(x))
    return hist

import keras
import tensorflow as tf


def train(model, x, y, *, learning_rate, batch_size, epochs):
    # cosine between the batch's gradient and the whole set's, logged each step (gradient noise)
    opt = keras.optimizers.SGD(learning_rate)
    bce = keras.losses.BinaryCrossentropy()
    vs = model.trainable_variables
    flat = lambda gs: tf.concat([tf.reshape(g, [-1]) for g in gs], 0)
    hist = []
    for e in range(epochs):
        s = 0.0
        for i in range(0, len(x), batch_size):
            xb, yb = x[i : i + batch_size], y[i : i + batch_size]
            with tf.GradientTape() as tape:
                loss = bce(yb, model(xb, training=True)) + sum(model.losses)
            g = tape.gradient(loss, vs)
            with tf.GradientTape() as t2:
                whole = bce(y, model(x, training=False)) + sum(model.losses)
            w = t2.gradient(whole, vs)
            print("cos", -float(keras.losses.cosine_similarity(flat(g), flat(w))))
            opt.apply(g, vs)
            s += float(loss) * len(xb)
        hist.append(s / len(x))
    return hist

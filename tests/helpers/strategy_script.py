"""A script with a loop under a distribution strategy, for the tests of ``check``."""

STRATEGY = """
import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)
strategy = tf.distribute.MirroredStrategy({devices})
with strategy.scope():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1)
    loss_object = keras.losses.MeanSquaredError({reduction})


def step(batch):
    with tf.GradientTape() as tape:
        errors = loss_object(batch[1], model(batch[0], training=True))
        loss = {loss}
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


@tf.function
def train_step(batch):
    return strategy.reduce("SUM", strategy.run(step, args=(batch,)), axis=None)


batches = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(8))
losses = []
for epoch in range(3):
    losses.append(float(sum(train_step(batch) for batch in batches)) / 5)
"""
TWO = '["CPU:0", "CPU:1"]'
ALONE = 'reduction="none"'
AVERAGE = "tf.nn.compute_average_loss(errors, global_batch_size=8)"

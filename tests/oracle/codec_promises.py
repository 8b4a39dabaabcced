"""What each weight format promises about the distance of its decoded values to the original ones."""
import numpy as np

SLACK = 1 + 1e-4  # the tool divides in float32: 255 steps have that much of half a step as their rounding


def require(good, what):
    if not np.all(good):
        raise AssertionError(what)


def int8(exact, weight):
    largest = np.abs(exact).max(1, keepdims=True)
    want = np.where(largest > 0, largest / 127, 1)
    require(np.abs(weight.scales - want) <= 1e-6 * want, "the scale is the row's largest magnitude / 127")
    require(np.abs(weight.codes) <= 127, "codes from -127 to 127")
    require(weight.zeros == 0, "no zero point")
    require(np.abs(weight.values - exact) <= weight.scales / 2 * SLACK, "within half a step")


def uint8(exact, weight):
    low, high = np.minimum(exact.min(1, keepdims=True), 0), np.maximum(exact.max(1, keepdims=True), 0)
    want = np.where(high > low, (high - low) / 255, 1)
    require(np.abs(weight.scales - want) <= 1e-6 * want, "the scale is the row's range / 255")
    require((weight.codes >= 0) & (weight.codes <= 255), "codes from 0 to 255")
    require(np.abs(weight.values - exact) <= weight.scales / 2 * SLACK, "within half a step")


def per_block(values, block_size):
    """[rows, blocks, block_size], rows padded with zeros."""
    rows, width = values.shape
    padded = np.zeros((rows, -(-width // block_size) * block_size))
    padded[:, :width] = values
    return padded.reshape(rows, -1, block_size)


def textbook(exact, weight, bits):
    """Squared error of every block whose value of largest magnitude gets code 0, that is -2^(bits-1) steps.

    Where both signs of that magnitude occur, the worse choice counts.
    """
    half = 2 ** (bits - 1)
    table = per_block(exact, weight.block_size)
    largest = np.abs(table).max(-1, keepdims=True)
    errors = []
    for sign in (1, -1):
        extreme = np.where((table == sign * largest).any(-1, keepdims=True), sign, -sign) * largest
        scale = (extreme / -half).astype(np.float16).astype(np.float64)
        scale = np.where(scale == 0, 2.0 ** -24, scale)
        codes = np.clip(np.rint(table / scale), -half, half - 1)
        errors.append(np.square(codes * scale - table).sum(-1))
    return np.maximum(*errors)


def block(exact, weight, bits):
    half = 2 ** (bits - 1)
    require(weight.scales.astype(np.float16).astype(np.float32) == weight.scales.astype(np.float32),
            "scales that float16 holds")
    require((weight.codes >= 0) & (weight.codes < 2 * half), "codes of so many bits")
    scales, zeros = weight.spread
    inside = (weight.codes > 0) & (weight.codes < 2 * half - 1)
    difference = np.abs((weight.codes - zeros) * scales - exact)
    require(difference[inside] <= (np.abs(scales) / 2 * SLACK)[inside], "within half a step")
    if bits == 8:  # the sign that is not at code 0 ends one step early; a step's rounding to float16 adds up to 128 / 2048
        require(difference <= np.abs(scales) * (1 + 128 / 2048) * SLACK, "at the ends of the range, one step")
    error = np.square(per_block((weight.codes - zeros) * scales - exact, weight.block_size)).sum(-1)
    limit = textbook(exact, weight, bits)
    require(error <= limit * SLACK + 1e-30, "no block is worse than with the textbook's scale")
    return error.sum(), limit.sum()


def check(exact, weight):
    """Raises AssertionError; gives (squared error, that of the textbook's scales) where blocks search for a scale."""
    exact = exact.astype(np.float64)
    if weight.scheme == "int8":
        return int8(exact, weight)
    if weight.scheme == "uint8":
        return uint8(exact, weight)
    return block(exact, weight, int(weight.scheme.removeprefix("block")))

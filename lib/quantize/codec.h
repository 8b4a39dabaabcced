#pragma once

#include "graph/codec.h"

// The weight codecs. All of them quantize the rows of a weight [rows, ...] seen as a matrix [rows, width],
// row = output channel (PyTorch's Linear layout [out, in]). Codes are the nearest ones of their scale (ties
// to even). encode() gives the same bytes on every instruction-set level and for every split into row tiles,
// and throws Error for NaN and infinity.
namespace bantam {

// Signed 8-bit codes -127..127 (never -128), one scale per row: w = code * scale, scale = absmax / 127.
// A search for a smaller scale was measured on seven trained models and gains less than 0.3 % of the squared
// error, so there is none. Parts: "_quantized" int8, stored transposed as [width, rows] (MatMulInteger's B);
// "_scale" float32 [rows]. Rows of zeros get scale 1; scales are never below the smallest normal float.
CodecPtr int8_channel_codec();

// Unsigned 8-bit codes, one scale and one zero point per row: w = (code - zero_point) * scale. The range
// always includes 0, which is exact. Parts: "_quantized" uint8, stored transposed; "_scale" float32 [rows];
// "_zero_point" uint8 [rows].
CodecPtr uint8_channel_codec();

// Where the codes of a block go when the width is not a multiple of the block size (else the bytes are the
// same).
enum class BlockLayout {
  kMatMul,  // MatMulNBits: [rows, blocks, bytes per block], the last block of a row padded with zeros' code
  kGather,  // GatherBlockQuantized on uint8: [rows, width * bits / 8], not padded
};

struct BlockwiseOptions {
  int bits = 4;           // 4 or 8
  int block_size = 32;    // a power of two from 16 to 256
  bool symmetric = true;  // false: a zero point per block
  // 4 bits: look for the scale (and zero point) of least squared error. On trained models that leaves 11 %
  // less of it than the plain scale when symmetric, 21 % less with zero points. 8 bits ignore this: their
  // error is 230 times smaller already.
  bool search = true;
  BlockLayout layout = BlockLayout::kMatMul;
};

// Blocks of `block_size` values along the width: w = (code - zero_point) * scale, codes of `bits` bits, low
// bits first; zero point 2^(bits-1) when symmetric. This is the layout of MatMulNBits and
// GatherBlockQuantized (com.microsoft). Parts, with blocks = ceil(width / block_size):
//   "_q4" / "_q8"   uint8, see BlockLayout
//   "_scales"       float32 [rows, blocks], always values that float16 holds exactly, so that codes do not
//                   depend on the dtype that the scales are stored in; negative ones occur
//   "_zero_points"  uint8 [rows, ceil(blocks * bits / 8)] unless symmetric: packed low bits first, each row
//                   padded with zeros
// No block has a larger squared error than with the plain scale, -m / 2^(bits-1) for its value m of largest
// magnitude. Blocks of zeros get scale 1. Blocks too small for float16 get its smallest scale, 2^-24; values
// above 65504 * 2^(bits-1) are too large for it and an Error.
CodecPtr blockwise_codec(const BlockwiseOptions& options);

// The shape under which GatherBlockQuantized reads what BlockLayout::kMatMul wrote: [rows, width * bits / 8].
// Throws Error unless the width is a multiple of the block size.
Shape gather_shape(const TensorSpec& weight, const BlockwiseOptions& options);

}  // namespace bantam

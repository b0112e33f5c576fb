// Rows of weights as GGUF stores them: blocks of quantized elements to floats and back.
//
// Layouts are those of ggml (https://github.com/ggml-org/ggml, ggml-common.h); types are numbered like `ggml_type`.
// Blocks may lie at any address.
#ifndef NESTBOX_BLOCKS_H
#define NESTBOX_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

/// Writes `n` elements of type `type` as floats; `n` ends with a block. Returns 1, or 0 and writes nothing when the type is
/// not one of floats or blocks. Bit for bit what the `gguf` Python package computes.
int nb_dequantize_row(uint32_t type, const void *src, float *dst, size_t n);

/// Writes `n` floats as elements of type `type`; `n` ends with a block. Returns as above.
/// F16, BF16, Q8_0 and the types with 4 and 5 bits are bit for bit those of the `gguf` Python package. K types and IQ4_NL
/// search the scales with the least squared error, weighted so that large elements count more.
/// Elements that are not finite give blocks of no meaning, but stay within the row.
int nb_quantize_row(uint32_t type, const float *src, void *dst, size_t n);

/// Whether all of the `n` floats are finite: 1 or 0.
int nb_all_finite(const float *x, size_t n);

#endif

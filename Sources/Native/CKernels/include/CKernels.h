// The inner loops of the engines, in plain C so that they run at -O3 in every configuration.
//
//   boosting.c   gradients, quantisation, histograms, partition, binning, radix sort
//   team.h       a team of threads for the three below, which share their work out on it
//   packed.h     weight matrices repacked for products
//   products.h   products of activations with packed weights
//   rows.h       operations on rows: norms, activations, rotary embedding, attention
//   blocks.h     rows of quantized weights to floats and back
//
// Every function works on buffers that its caller owns and sized; none but a team's making allocates, so any number
// may run at once on separate outputs (on one team they take turns). The choice of instruction set is the only state. Loops marked NB_CLONES are compiled for several instruction sets and chosen when
// the program starts; contraction of multiply and add is off, so all versions give the same bits.
#ifndef NESTBOX_CKERNELS_H
#define NESTBOX_CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "blocks.h"
#include "packed.h"
#include "products.h"
#include "rows.h"
#include "team.h"

/// Sums over one block of rows.
typedef struct {
    double absGradient;  ///< sum of |g|
    double hessian;      ///< sum of h
    double loss;         ///< sum of log losses, or of squared errors
} nb_block_sums;

/// First and second derivative of the log loss at `score` (log odds) for labels 0 or 1; `n` rows.
nb_block_sums nb_gradients_log_loss(const double *score, const float *label, size_t n, float *g, float *h);

/// The same for half the squared error; `loss` is the sum of squared errors and `h` is 1.
nb_block_sums nb_gradients_squared(const double *score, const double *label, size_t n, float *g, float *h);

/// Packs each row's derivatives into one integer: g * scaleG rounded in the upper 32 bits (signed), h * scaleH in the
/// lower 32. Sums of packed values are exact and independent of order as long as neither half overflows.
/// Rounding is stochastic, from a hash of (seed, firstRow + i), hence unbiased and reproducible.
void nb_quantize(const float *g, const float *h, size_t n, float scaleG, float scaleH, uint64_t firstRow,
                 uint64_t seed, int64_t *packed);

/// Adds `packed` of `n` rows to the histograms of `F` features: hist[offsets[f] + bins[row * F + f]] += packed[row].
/// `rows` are the row numbers, or null for first ..< first + n.
void nb_histogram(const uint8_t *bins, size_t F, const uint32_t *offsets, const uint32_t *rows, size_t first, size_t n,
                  const int64_t *packed, int64_t *hist);

/// Splits `rows` by goesLeft[bins[row]] (0 or 1) and keeps the order on both sides; returns how many went left.
/// Both outputs need room for `n` rows.
size_t nb_partition(const uint8_t *bins, const uint8_t *goesLeft, const uint32_t *rows, size_t n, uint32_t *left,
                    uint32_t *right);

/// The bin of each value: the first b with value <= bounds[b], `count` when above all, `missing` for NaN. count <= 255.
void nb_bin(const double *values, size_t n, const double *bounds, size_t count, uint8_t missing, uint8_t *bins);

/// Writes column `f` of the row-major matrix: out[(first + i) * F + f] = column[i].
void nb_interleave(const uint8_t *const *columns, size_t F, size_t first, size_t n, uint8_t *out);

/// Sorts finite doubles in place, ascending; `scratch` has room for `n`. Least-significant-digit radix sort.
void nb_sort(double *values, double *scratch, size_t n);

#endif

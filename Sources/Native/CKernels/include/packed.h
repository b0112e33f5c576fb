// Weight matrices repacked for the products: see packed.c for the layouts.
#ifndef NESTBOX_PACKED_H
#define NESTBOX_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "team.h"

/// Types of elements: numbers of GGUF.
enum {
    NB_F32 = 0, NB_F16 = 1, NB_Q4_0 = 2, NB_Q4_1 = 3, NB_Q5_0 = 6, NB_Q5_1 = 7, NB_Q8_0 = 8, NB_Q2_K = 10,
    NB_Q3_K = 11, NB_Q4_K = 12, NB_Q5_K = 13, NB_Q6_K = 14, NB_IQ4_NL = 20, NB_BF16 = 30,
};

/// A packed matrix: `rows` outputs × `columns` inputs.
typedef struct {
    uint32_t dtype;
    size_t rows, columns;
    const uint8_t *data;
} nb_matrix;

/// Bytes that `nb_pack` writes; 0 when the type is not a weight's, when columns are no multiple of its block, or when
/// the number would overflow.
size_t nb_packed_bytes(uint32_t dtype, size_t rows, size_t columns);

/// Packs rows as a GGUF file has them into `packed`.
void nb_pack(nb_team *team, uint32_t dtype, size_t rows, size_t columns, const void *source, uint8_t *packed);

/// out (columns) = row `row` of the matrix, dequantized.
void nb_packed_row(const nb_matrix *matrix, size_t row, float *out);

/// out row i = matrix row indices[i]; indices must be within the matrix.
void nb_packed_rows(nb_team *team, const nb_matrix *matrix, const int32_t *indices, size_t count, float *out,
                    size_t stride);

#endif

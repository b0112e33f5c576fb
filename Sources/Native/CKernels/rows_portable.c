// The row operations and attention for any processor.
#include "attention_body.h"
#include "rows_body.h"

const nb_row_set nb_rows_portable = {
    "portable", rms_norm, layer_norm, gated, activate, add, softmax, argmax, rope, store_kv, attend,
};

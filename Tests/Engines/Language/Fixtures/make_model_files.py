"""Writes tiny.gguf: a Llama of one layer with random weights in several types, every type of metadata, and values.json
with what the gguf package reads from it.

    python make_model_files.py

Needs the packages gguf and numpy."""
import json
import pathlib

import gguf
import numpy as np

here = pathlib.Path(__file__).parent
random = np.random.default_rng(4)
TYPE = gguf.GGMLQuantizationType

writer = gguf.GGUFWriter(here / "tiny.gguf", "llama")
writer.add_name("Tiny Llama")
writer.add_block_count(1)
writer.add_context_length(128)
writer.add_embedding_length(64)
writer.add_feed_forward_length(96)
writer.add_head_count(4)
writer.add_head_count_kv(2)
writer.add_rope_dimension_count(16)
writer.add_rope_freq_base(10000.0)
writer.add_layer_norm_rms_eps(1e-5)
writer.add_vocab_size(24)
writer.add_tokenizer_model("llama")
writer.add_token_list(["<unk>", "<s>", "</s>"] + [f"▁{chr(97 + i)}" for i in range(21)])
writer.add_token_scores([-float(i) for i in range(24)])
writer.add_token_types([2, 3, 3] + [1] * 21)
writer.add_bos_token_id(1)
writer.add_eos_token_id(2)
writer.add_add_bos_token(True)
writer.add_chat_template("{{ messages[0].content }}")
writer.add_uint8("test.uint8", 200)
writer.add_int8("test.int8", -100)
writer.add_uint16("test.uint16", 60000)
writer.add_int16("test.int16", -30000)
writer.add_int32("test.int32", -2000000000)
writer.add_uint64("test.uint64", 2**63 + 1)
writer.add_int64("test.int64", -(2**62))
writer.add_float64("test.float64", 0.1)
writer.add_bool("test.bool", False)
writer.add_array("test.nested", [[1, 2], [3]])
writer.add_array("test.flags", [True, False])

values = {}


def add(name, shape, type=TYPE.F32):
    data = random.standard_normal(shape).astype(np.float32)
    stored = gguf.quants.quantize(data, type)
    writer.add_tensor(name, stored, raw_dtype=type)
    values[name] = gguf.quants.dequantize(stored, type).astype(np.float32).reshape(-1)[:40].tolist()


add("token_embd.weight", (24, 64), TYPE.Q8_0)
add("blk.0.attn_norm.weight", (64,))
add("blk.0.attn_q.weight", (64, 64), TYPE.Q4_1)
add("blk.0.attn_k.weight", (32, 64), TYPE.Q4_0)
add("blk.0.attn_v.weight", (32, 64), TYPE.Q5_0)
add("blk.0.attn_output.weight", (64, 64), TYPE.Q5_1)
add("blk.0.ffn_norm.weight", (64,))
add("blk.0.ffn_gate.weight", (96, 64), TYPE.F16)
add("blk.0.ffn_up.weight", (96, 64), TYPE.BF16)
add("blk.0.ffn_down.weight", (64, 96), TYPE.Q8_0)
add("output_norm.weight", (64,))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
(here / "values.json").write_text(json.dumps(values, indent=0) + "\n")

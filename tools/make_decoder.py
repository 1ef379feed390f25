#!/usr/bin/env python3
"""Writes a decoder's checkpoint with random weights: config.json and model.safetensors (bf16), of a published network's shapes.

usage: make_decoder.py --shape llama-3.2-1b|qwen3-1.7b [--layers N] [--seed S] FOLDER

The same arguments give the same bytes. Values are what a network might have, with a spread of about 1 / sqrt(K), so that nothing grows from
block to block. Memory stays at a few megabytes; the whole of llama-3.2-1b takes 2.5 GB of disk.
"""

import argparse
import json
import math
import pathlib
import random
import struct
import sys

SHAPES = {
    "llama-3.2-1b": {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 2048, "intermediate_size": 8192,
        "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256,
        "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "max_position_embeddings": 131072, "tie_word_embeddings": True,
        "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 8192},
    },
    "qwen3-1.7b": {
        "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "hidden_size": 2048, "intermediate_size": 6144,
        "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
        "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 1000000.0, "max_position_embeddings": 40960, "tie_word_embeddings": True,
        "use_sliding_window": False,
    },
    "tiny-llama": {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 160,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 128,
        "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 512, "tie_word_embeddings": True,
    },
}
CHUNK = 1 << 20  # elements


def tensors(config: dict):
    """(name, shape) in the order of the file."""
    hidden, ffn, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for block in range(config["num_hidden_layers"]):
        at = f"model.layers.{block}."
        yield at + "input_layernorm.weight", (hidden,)
        yield at + "self_attn.q_proj.weight", (queries, hidden)
        yield at + "self_attn.k_proj.weight", (keys, hidden)
        yield at + "self_attn.v_proj.weight", (keys, hidden)
        yield at + "self_attn.o_proj.weight", (hidden, queries)
        if config["model_type"] == "qwen3":
            yield at + "self_attn.q_norm.weight", (head,)
            yield at + "self_attn.k_norm.weight", (head,)
        yield at + "post_attention_layernorm.weight", (hidden,)
        yield at + "mlp.gate_proj.weight", (ffn, hidden)
        yield at + "mlp.up_proj.weight", (ffn, hidden)
        yield at + "mlp.down_proj.weight", (hidden, ffn)
    yield "model.norm.weight", (hidden,)


def high_bytes(shape: tuple) -> bytes:
    """For a random byte, the upper byte of a bf16: sign and seven bits of the exponent. Six in ten values of a matrix are within a factor
    of four below 2 / sqrt(K), the rest smaller; a norm's are from 1 to 1.25."""
    if len(shape) == 1:
        return bytes([0x3F]) * 256
    top = (127 - round(math.log2(math.sqrt(shape[1])))) // 2
    return bytes(top - (0 if r < 154 else 1 if r < 226 else 2) | (r & 1) << 7 for r in range(256))


def write_elements(out, generator: random.Random, shape: tuple) -> None:
    table = high_bytes(shape)
    left = math.prod(shape)
    while left:
        count = min(left, CHUNK)
        low = generator.randbytes(count)
        data = bytearray(2 * count)
        # Of a norm, 0x3F80 and five bits more.
        data[0::2] = bytes(0x80 | b & 0x1F for b in low) if len(shape) == 1 else low
        data[1::2] = generator.randbytes(count).translate(table)
        out.write(data)
        left -= count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--layers", type=int, help="fewer blocks than the network has")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    config = dict(SHAPES[arguments.shape])
    if arguments.layers is not None:
        if not 1 <= arguments.layers <= config["num_hidden_layers"]:
            parser.error(f"--layers: expected 1 to {config['num_hidden_layers']}, found {arguments.layers}")
        config["num_hidden_layers"] = arguments.layers
    header, at = {}, 0
    for name, shape in tensors(config):
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    try:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        (arguments.folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        with open(arguments.folder / "model.safetensors", "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name, shape in tensors(config):
                write_elements(out, random.Random(f"{arguments.seed} {name}"), shape)
    except OSError as error:
        sys.exit(f"make_decoder: {error}")
    print(f"{arguments.folder}: {arguments.shape}, {config['num_hidden_layers']} blocks, {at / 1e9:.2f} GB")


if __name__ == "__main__":
    main()

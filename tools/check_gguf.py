#!/usr/bin/env python3
"""Is a GGUF file the network that it was made of? Networks of tiny sizes with random weights, as transformers saves them and as llama.cpp's
converter would write them, through `octile plan` and `octile quantize`: the same plan, and the same bytes in the packed file.

usage: check_gguf.py [--octile PROGRAM] [--keep FOLDER] [NETWORK ...]

Needs torch, transformers, safetensors and gguf in the Python that runs it. Names of tensors in the file are the gguf package's own
(get_tensor_name_map). Exit code 1 where the two differ. With --keep, the files are left in FOLDER.
"""

import argparse
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import gguf
import numpy as np
import torch
import transformers
from safetensors.numpy import load_file

SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 80,
         "max_position_embeddings": 128}
DECODER = SIZES | {"num_key_value_heads": 2, "head_dim": 16, "pad_token_id": 0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


class Network:
    """Classes of transformers and of the gguf package, and sizes."""

    def __init__(self, cls: str, config: str, architecture: str, sizes: dict):
        self.cls, self.config, self.architecture, self.sizes = cls, config, architecture, sizes


NETWORKS = {
    "llama": Network("LlamaForCausalLM", "LlamaConfig", "LLAMA", DECODER),
    "llama-tied": Network("LlamaForCausalLM", "LlamaConfig", "LLAMA", DECODER | {"tie_word_embeddings": True}),
    "llama-bias": Network("LlamaForCausalLM", "LlamaConfig", "LLAMA", DECODER | {"attention_bias": True}),
    "llama3-rope": Network("LlamaForCausalLM", "LlamaConfig", "LLAMA", DECODER | {"rope_theta": 500000.0, "rope_scaling": LLAMA3}),
    "mistral-window": Network("MistralForCausalLM", "MistralConfig", "LLAMA", DECODER | {"sliding_window": 32}),
    "qwen2": Network("Qwen2ForCausalLM", "Qwen2Config", "QWEN2", DECODER),
    "qwen3": Network("Qwen3ForCausalLM", "Qwen3Config", "QWEN3", DECODER),
    "gemma": Network("GemmaForCausalLM", "GemmaConfig", "GEMMA", DECODER),
    "gemma2": Network("Gemma2ForCausalLM", "Gemma2Config", "GEMMA2", DECODER | {"query_pre_attn_scalar": 16, "sliding_window": 32}),
    "gemma3": Network("Gemma3ForCausalLM", "Gemma3TextConfig", "GEMMA3",
                      DECODER | {"query_pre_attn_scalar": 16, "sliding_window": 32, "num_hidden_layers": 6}),
    "phi3": Network("Phi3ForCausalLM", "Phi3Config", "PHI3", DECODER),
    "bert": Network("BertModel", "BertConfig", "BERT", SIZES),
    "nomic-bert": Network("NomicBertModel", "NomicBertConfig", "NOMIC_BERT", SIZES),
}


def save(network: Network, folder: pathlib.Path) -> dict:
    """The checkpoint, with weights that are all different and no pooler, which the converter drops; its configuration."""
    torch.manual_seed(17)
    config = getattr(transformers, network.config)(**network.sizes)
    model = getattr(transformers, network.cls)(config)
    model.pooler = None
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Of 12 bits behind the point, as a bf16 near 1 has fewer, and no -0: 1 + weight loses nothing.
            parameter.copy_((torch.randn_like(parameter) * (0.1 if parameter.dim() > 1 else 0.05) * 4096).round() / 4096 + 0.0)
            if "norm" in name.lower() and name.endswith("weight") and "GEMMA" not in network.architecture:
                parameter += 1
    model.save_pretrained(folder)
    return json.loads((folder / "config.json").read_text())


def paired(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head as llama.cpp rotates them: neighbours instead of halves."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def llama3_factors(config: dict, scaling: dict) -> np.ndarray:
    """As the converter writes them, in f32."""
    theta = scaling.get("rope_theta", config.get("rope_theta", 10000.0))
    frequencies = 1.0 / (theta ** (torch.arange(0, config["head_dim"], 2, dtype=torch.float32) / config["head_dim"]))
    factor, low, high = scaling["factor"], scaling["low_freq_factor"], scaling["high_freq_factor"]
    context, factors = scaling["original_max_position_embeddings"], []
    for frequency in frequencies:
        wavelength = 2 * np.pi / float(frequency)
        if wavelength < context / high:
            factors.append(1.0)
        elif wavelength > context / low:
            factors.append(factor)
        else:
            smooth = (context / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def stored(name: str, values: np.ndarray, network: Network, config: dict) -> np.ndarray:
    if network.architecture == "LLAMA" and ".q_proj." in name:
        return paired(values, config["num_attention_heads"])
    if network.architecture == "LLAMA" and ".k_proj." in name:
        return paired(values, config["num_key_value_heads"])
    if network.architecture.startswith("GEMMA") and name.endswith("norm.weight"):
        return values + np.float32(1)
    return values


def rope_of(config: dict) -> dict:
    """Both forms of transformers 5: flat, and by type of layer."""
    rope = config.get("rope_parameters") or {}
    return rope.get("full_attention", rope)


def write_keys(writer: gguf.GGUFWriter, network: Network, config: dict) -> None:
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    if "BERT" in network.architecture:
        writer.add_layer_norm_eps(config["layer_norm_eps"])
        writer.add_causal_attention(False)
        writer.add_token_type_count(config["type_vocab_size"])
        if network.architecture == "NOMIC_BERT":
            writer.add_rope_freq_base(rope_of(config)["rope_theta"])
        return
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(rope_of(config)["rope_theta"])
    if network.architecture == "GEMMA2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if config.get("sliding_window") and config.get("use_sliding_window", True):
        writer.add_sliding_window(config["sliding_window"])


def convert(network: Network, folder: pathlib.Path, file: pathlib.Path, config: dict) -> None:
    architecture = gguf.MODEL_ARCH[network.architecture]
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[architecture])
    write_keys(writer, network, config)
    if rope_of(config).get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(config, rope_of(config)))
    for name, values in load_file(folder / "model.safetensors").items():
        new = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if new is None:
            raise SystemExit(f"{network.cls}: {name}: the gguf package has no name for it")
        writer.add_tensor(new, np.ascontiguousarray(stored(name, values.astype(np.float32), network, config)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def run(octile: str, *arguments) -> tuple[int, str, str]:
    done = subprocess.run([octile, *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def plan_of(octile: str, path: pathlib.Path) -> dict:
    code, out, err = run(octile, "plan", path, "--tokens", 16, "--format", "json")
    if code:
        raise SystemExit(err)
    plan = json.loads(out)
    plan.pop("model")
    plan.pop("parameters")
    plan.pop("left_out")
    return plan


def packed_of(path: pathlib.Path) -> dict:
    """Section by section, what the file holds; its graph."""
    content = path.read_bytes()
    offset, size = struct.unpack_from("<QQ", content, DIRECTORY_AT)
    directory = json.loads(content[offset:offset + size])

    def contents(value):
        if isinstance(value, dict) and {"offset", "bytes", "checksum"} <= value.keys():
            return content[value["offset"]:value["offset"] + value["bytes"]]
        if isinstance(value, dict):
            return {key: contents(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [contents(inner) for inner in value]
        return value

    linears = {linear["name"]: contents(linear) for linear in directory["linears"]}
    tensors = {tensor["name"]: contents(tensor) for tensor in directory["tensors"]}
    graph = json.loads(directory["graph"]) if "graph" in directory else None
    if graph:
        graph.pop("name", None)
    return {"linears": linears, "tensors": tensors, "graph": graph}


# Behind magic, version and the size of the file: packed/packed_header.cpp.
DIRECTORY_AT = 24


def check(octile: str, name: str, network: Network, folder: pathlib.Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    config = save(network, folder)
    file = folder.parent / f"{name}.gguf"
    convert(network, folder, file, config)
    same = plan_of(octile, folder) == plan_of(octile, file)
    packed, words = [], []
    for path in (folder, file):
        output = folder.parent / f"{path.stem}-{path.suffix[1:] or 'safetensors'}.octile"
        code, _, err = run(octile, "quantize", path, "-o", output, "--format", "json")
        if code:
            raise SystemExit(err)
        words.append(err.strip())
        packed.append(packed_of(output))
    left = set(packed[0]["tensors"])
    right = set(packed[1]["tensors"]) - {"rope_freqs.weight"}
    bits = packed[0]["linears"] == packed[1]["linears"] and left == right and all(packed[0]["tensors"][key] == packed[1]["tensors"][key]
                                                                                 for key in left)
    graph = packed[0]["graph"] == packed[1]["graph"]
    network_text = "no network" if packed[1]["graph"] is None else "the same graph" if graph else "ANOTHER GRAPH"
    print(f"{name:16} plan {'same' if same else 'DIFFERS'}, {len(packed[1]['linears'])} linears and {len(right)} tensors "
          f"{'with the same bits' if bits else 'THAT DIFFER'}, {network_text}", flush=True)
    if not (same and bits and graph):
        print("  of safetensors:", words[0], "\n  of GGUF:", words[1])
    return same and bits and graph


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--octile", default="build/host/cli/octile")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS), metavar="NETWORK")
    arguments = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or pathlib.Path(temporary)
        for name in arguments.networks:
            good &= check(arguments.octile, name, NETWORKS[name], folder / name)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

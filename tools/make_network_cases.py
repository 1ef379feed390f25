#!/usr/bin/env python3
"""Writes small networks of every family that a session runs, with random weights, and what transformers computes with them: the cases of tests/networks.

usage: make_network_cases.py FOLDER [NAME...]

Each case is a folder: config.json and model.safetensors as transformers saves them (bf16, which both sides read exactly), the modules of
sentence-transformers where it has some, and expected.json: the token ids of a few sequences and each output's values, in the order of the graph's outputs,
sequence by sequence. Needs torch, transformers and sentence-transformers in the Python that runs it; Octile's build and tests need none of them.

Every sequence is run alone, and once more padded to the longest with an attention mask: both have to agree, so that what is stored depends on no padding.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import sys

import torch
import transformers
from sentence_transformers.sentence_transformer import modules as models

LENGTHS = (9, 1, 23, 40)
VOCABULARY, LABELS = 40, 5
FIRST_ID = 5  # those below are special: a padding id inside a text has a position of its own in some families
BERT = {"vocab_size": VOCABULARY, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3, "max_position_embeddings": 48,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}

DECODER = {"vocab_size": VOCABULARY, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
           "max_position_embeddings": 64}
# Three layers: one that sees everything, and two that see tokens up to four away.
MODERN = {"vocab_size": VOCABULARY, "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 3, "num_attention_heads": 3, "max_position_embeddings": 64,
          "local_attention": 8, "eos_token_id": 2, "bos_token_id": 1, "cls_token_id": 1, "sep_token_id": 2}


@dataclasses.dataclass(frozen=True)
class Case:
    model: str  # the class of transformers
    config: dict
    output: str = "logits"  # "embedding": what the modules make of last_hidden_state
    types: bool = False  # token types too
    # sentence-transformers' modules behind the network: ("Pooling", modes), ("Dense", features, activation), ("Normalize",). None: no modules.json, where the
    # embedding is the mean, normalized.
    modules: tuple | None = None


CASES = {
    "bert_sequence": Case("BertForSequenceClassification", BERT | {"type_vocab_size": 2, "num_labels": LABELS}, types=True),
    "bert_tokens": Case("BertForTokenClassification", BERT | {"hidden_act": "gelu_new", "num_labels": LABELS}),
    "roberta_sequence": Case("RobertaForSequenceClassification", BERT | {"type_vocab_size": 1, "pad_token_id": 1, "num_labels": LABELS}),
    "xlm_roberta_reranker": Case("XLMRobertaForSequenceClassification", BERT | {"type_vocab_size": 1, "pad_token_id": 1, "num_labels": 1, "layer_norm_eps": 1e-5}),
    "distilbert_sequence": Case("DistilBertForSequenceClassification",
                                {"vocab_size": VOCABULARY, "dim": 24, "hidden_dim": 40, "n_layers": 2, "n_heads": 3, "max_position_embeddings": 48, "num_labels": LABELS}),
    "bert_pooled": Case("BertModel", BERT | {"type_vocab_size": 2}, "embedding",
                        modules=(("Pooling", ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]), ("Normalize",))),
    "bert_dense": Case("BertModel", BERT | {"type_vocab_size": 2}, "embedding",
                       modules=(("Pooling", ["mean"]), ("Dense", 40, torch.nn.Tanh()), ("Normalize",), ("Dense", 12, torch.nn.Identity()))),
    "qwen3_embedding": Case("Qwen3Model", DECODER | {"head_dim": 10, "tie_word_embeddings": True}, "embedding", modules=(("Pooling", ["lasttoken"]), ("Normalize",))),
    "mistral_window": Case("MistralForTokenClassification", DECODER | {"sliding_window": 6, "num_labels": LABELS}),
    "qwen2_window": Case("Qwen2ForTokenClassification", DECODER | {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1, "num_labels": LABELS}),
    "mpnet_embedding": Case("MPNetModel", BERT | {"pad_token_id": 1}, "embedding"),
    "mpnet_sequence": Case("MPNetForSequenceClassification", BERT | {"pad_token_id": 1, "num_labels": LABELS}),
    "albert_sequence": Case("AlbertForSequenceClassification",
                            BERT | {"embedding_size": 16, "num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 1, "num_labels": LABELS}, types=True),
    "modernbert_embedding": Case("ModernBertModel", MODERN, "embedding"),
    "modernbert_sequence": Case("ModernBertForSequenceClassification", MODERN | {"classifier_pooling": "mean", "num_labels": LABELS}),
    "modernbert_tokens": Case("ModernBertForTokenClassification",
                              MODERN | {"attention_bias": True, "mlp_bias": True, "norm_bias": True, "classifier_bias": True, "num_labels": LABELS}),
    "nomic_embedding": Case("NomicBertModel", BERT | {"type_vocab_size": 2}, "embedding", types=True),
    "electra_sequence": Case("ElectraForSequenceClassification", BERT | {"embedding_size": 16, "num_labels": LABELS}, types=True),
}


def randomize(model: torch.nn.Module, seed: int) -> None:
    """Weights that every part of the network shows in, rounded to bf16; norms near 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if value.dim() > 1:
                noise /= math.sqrt(value.shape[-1]) if "embedding" not in name.lower() else 1
            elif "norm" in name.lower() and name.endswith("weight"):
                noise = 1 + 0.1 * noise
            else:
                noise *= 0.1
            value.copy_(noise.to(torch.bfloat16))


def outputs_of(model, case: Case, ids: torch.Tensor, types: torch.Tensor | None, mask: torch.Tensor | None = None) -> torch.Tensor:
    arguments = {"input_ids": ids, "attention_mask": torch.ones_like(ids) if mask is None else mask}
    if types is not None:
        arguments["token_type_ids"] = types
    with torch.no_grad():
        result = model(**arguments)
    return result.logits if case.output == "logits" else result.last_hidden_state


class Modules:
    """What stands behind a network without a head, by sentence-transformers' own classes, and its files."""

    def __init__(self, case: Case, features: int, folder: pathlib.Path, generator: torch.Generator):
        self.modules = []
        listed = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
        for index, (kind, *facts) in enumerate(case.modules or (("Pooling", ["mean"]), ("Normalize",)), start=1):
            if kind == "Pooling":
                module = models.Pooling(features, pooling_mode=tuple(facts[0]))
                features *= len(facts[0])
            elif kind == "Dense":
                wanted, activation = facts
                module = models.Dense(features, wanted, activation_function=activation)
                randomize(module, int(torch.randint(1 << 30, (1,), generator=generator)))
                features = wanted
            else:
                module = models.Normalize()
            self.modules.append(module)
            path = f"{index}_{kind}"
            listed.append({"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"})
            if case.modules is not None:
                (folder / path).mkdir()
                module.save(str(folder / path))
        if case.modules is not None:
            (folder / "modules.json").write_text(json.dumps(listed, indent=2) + "\n")

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        features = {"token_embeddings": states[None], "attention_mask": torch.ones(1, states.shape[0], dtype=torch.long)}
        with torch.no_grad():
            for module in self.modules:
                features = module(features)
        return features["sentence_embedding"][0]


def write(name: str, case: Case, folder: pathlib.Path) -> None:
    model_class = getattr(transformers, case.model)
    # Padding where no text has its id.
    config = model_class.config_class(**{"pad_token_id": 0} | case.config, attn_implementation="eager")
    model = model_class(config).eval()
    seed = sum(name.encode())
    randomize(model, seed)
    generator = torch.Generator().manual_seed(seed)
    folder.mkdir(parents=True)
    modules = Modules(case, config.hidden_size, folder, generator) if case.output == "embedding" else None
    sequences, outputs, states = [], [], []
    ids = [torch.randint(FIRST_ID, VOCABULARY, (1, length), generator=generator) for length in LENGTHS]
    types = [torch.randint(0, 2, (1, length), generator=generator) if case.types else None for length in LENGTHS]
    for some, kinds in zip(ids, types, strict=True):
        result = outputs_of(model, case, some, kinds)[0]
        states.append(result)
        outputs += (modules(result) if modules else result).flatten().tolist()
        sequences.append({"token_ids": some[0].tolist()} | ({} if kinds is None else {"token_types": kinds[0].tolist()}))
    check_padded(name, model, case, ids, types, states)
    (folder / "expected.json").write_text(json.dumps({"made_by": f"torch {torch.__version__}, transformers {transformers.__version__}", "sequences": sequences,
                                                      "outputs": [[float(f"{value:.7g}") for value in outputs]]}) + "\n")
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)


def check_padded(name: str, model, case: Case, ids: list, types: list, alone: list) -> None:
    """The sequences together, padded on the right."""
    longest = max(LENGTHS)
    together = torch.full((len(ids), longest), model.config.pad_token_id or 0)
    mask = torch.zeros_like(together)
    kinds = torch.zeros_like(together) if case.types else None
    for row, some in enumerate(ids):
        together[row, :some.shape[1]] = some
        mask[row, :some.shape[1]] = 1
        if case.types:
            kinds[row, :some.shape[1]] = types[row]
    batch = outputs_of(model, case, together, kinds, mask)
    for row, one in enumerate(alone):
        found = batch[row][:one.shape[0]] if one.dim() > 1 else batch[row]
        off = (found - one).abs().max().item()
        if off > 1e-4 * max(1.0, one.abs().max().item()):
            sys.exit(f"{name}: sequence {row}: expected the same values with padding behind it, found {off:.2g} of difference")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(CASES)}; none: all")
    arguments = parser.parse_args()
    for name in arguments.names or CASES:
        if name not in CASES:
            parser.error(f"NAME: expected some of {', '.join(CASES)}, found {name!r}")
        folder = arguments.folder / name
        if folder.exists():
            sys.exit(f"{folder}: expected a folder that is not there yet, found one")
        write(name, CASES[name], folder)
        print(f"{folder}: {sum(path.stat().st_size for path in folder.rglob('*') if path.is_file())} bytes")


if __name__ == "__main__":
    main()

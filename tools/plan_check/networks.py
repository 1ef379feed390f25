"""Loads a transformers, sentence-transformers or timm model and makes inputs for it. Weights are random where there are none."""

import inspect
import json
import pathlib

import torch


def _first(config, *names, default=None):
    for owner in (config, getattr(config, "vision_config", None), getattr(config, "encoder", None)):
        for name in names:
            if owner is not None and getattr(owner, name, None) is not None:
                return getattr(owner, name)
    return default


def _pair(size):
    return tuple(size[:2]) if isinstance(size, (list, tuple)) else (size, size)


def make_inputs(model, tokens: int) -> dict:
    """Keywords of forward(): `tokens` tokens, one image of the configuration's size, or so many samples of sound."""
    config, wanted = model.config, inspect.signature(model.forward).parameters
    text = getattr(config, "text_config", None) or config
    generator = torch.Generator().manual_seed(7)

    def ids(vocabulary: int):
        low = min(5, vocabulary - 1)
        return torch.randint(low, vocabulary, (1, tokens), generator=generator)

    inputs = {}
    vocabulary = getattr(text, "vocab_size", None) or 10
    if "pixel_values" in wanted:
        height, width = _pair(_first(config, "image_size", default=32))
        inputs["pixel_values"] = torch.randn(1, _first(config, "num_channels", default=3), height, width, generator=generator)
    if "input_features" in wanted:
        frames = 2 * _first(config, "max_source_positions", default=16)
        inputs["input_features"] = torch.randn(1, _first(config, "num_mel_bins", default=80), frames, generator=generator)
    elif "input_values" in wanted:
        hop = 1
        for stride in _first(config, "conv_stride", default=[1]):
            hop *= stride
        inputs["input_values"] = torch.randn(1, hop * tokens + 80, generator=generator)
    if "input_ids" in wanted and ("pixel_values" not in inputs or hasattr(config, "text_config")):
        inputs["input_ids"] = ids(vocabulary)
        if "MultipleChoice" in type(model).__name__:
            inputs["input_ids"] = inputs["input_ids"].expand(1, 2, tokens).contiguous()
        elif isinstance(getattr(text, "eos_token_id", None), int) and 0 <= text.eos_token_id < vocabulary:
            inputs["input_ids"][0, -1] = text.eos_token_id  # classifiers of encoder-decoder networks read its row
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in wanted:
        if "Classification" not in type(model).__name__ and "QuestionAnswering" not in type(model).__name__:
            inputs["decoder_input_ids"] = ids(vocabulary)
    if "use_cache" in wanted:
        inputs["use_cache"] = False
    return inputs


def load_transformers(path: pathlib.Path):
    import transformers

    folder = path if path.is_dir() else path.parent
    config = transformers.AutoConfig.from_pretrained(folder)
    config._experts_implementation = "eager"  # experts one after another, so that each is seen
    names = getattr(config, "architectures", None) or []
    base = getattr(transformers, names[0], None) if names else transformers.AutoModel
    if base is None:
        raise SystemExit(f"{folder}/config.json: expected an architecture that transformers {transformers.__version__} has, "
                         f"found {names[0]}")
    whole = path.is_dir() and any(folder.glob("*.safetensors"))
    for attention in ({"attn_implementation": "eager"}, {}):
        try:
            if whole:
                return base.from_pretrained(folder, config=config, dtype=torch.float32, **attention)
            build = base.from_config if base is transformers.AutoModel else base._from_config
            return build(config, **attention)
        except ValueError as error:
            if "attn_implementation" not in str(error) and "attention" not in str(error):
                raise


def make_network(name: str, tokens: int):
    """(module, keywords of its forward, versions). `name` is a folder, a config.json or timm:NAME."""
    path = pathlib.Path(name)
    if name.startswith("timm:"):
        import timm

        model = timm.create_model(name[5:], pretrained=False)
        return model, timm_inputs(model), f"torch {torch.__version__}, timm {timm.__version__}"
    config = json.loads(((path if path.is_dir() else path.parent) / "config.json").read_text())
    if "architecture" in config and "pretrained_cfg" in config:
        import timm
        import safetensors.torch

        model = timm.create_model(config["architecture"], pretrained=False,
                                  **({"num_classes": config.get("num_classes", 1000)} | config.get("model_args", {})))
        if path.is_dir() and (path / "model.safetensors").exists():
            model.load_state_dict(safetensors.torch.load_file(path / "model.safetensors"))
        return model, timm_inputs(model), f"torch {torch.__version__}, timm {timm.__version__}"
    import transformers

    model = load_transformers(path)
    return model, make_inputs(model, tokens), f"torch {torch.__version__}, transformers {transformers.__version__}"


def timm_inputs(model) -> dict:
    channels, height, width = model.pretrained_cfg.get("input_size", (3, 224, 224))
    patch = getattr(model, "patch_embed", None)
    height, width = getattr(patch, "img_size", None) or (height, width)
    return {"x": torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(7))}

"""octile.torch against torch: bits of replaced linears are those of octile.Linear, networks are close to their own, and the rest is left as it was."""

import copy
import gc
import io
import pickle
import types
import weakref

import numpy as np
import numpy_network
import octile
import pytest

torch = pytest.importorskip("torch", reason="no torch: make test-torch TORCH_PYTHON=<a Python with torch>")
import octile.torch as ot  # noqa: E402
from torch import nn  # noqa: E402


class Mlp(nn.Module):
    def __init__(self, hidden: int = 600, act: nn.Module | None = None):
        super().__init__()
        self.norm = nn.LayerNorm(512)
        self.fc1 = nn.Linear(512, hidden)
        self.act = act or nn.GELU()
        self.fc2 = nn.Linear(hidden, 512, bias=False)
        self.head = nn.Linear(512, 7)

    def forward(self, x):
        return self.head(x + self.fc2(self.act(self.fc1(self.norm(x)))))


class Attention(nn.Module):
    """q, k and v read one norm's rows."""

    def __init__(self):
        super().__init__()
        self.input_norm = nn.LayerNorm(512)
        self.q, self.k, self.v, self.o = (nn.Linear(512, 512) for _ in range(4))

    def forward(self, x):
        y = self.input_norm(x)
        q, k, v = (part(y).unflatten(-1, (8, 64)).transpose(1, 2) for part in (self.q, self.k, self.v))
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return x + self.o(y.transpose(1, 2).flatten(2))


def made(kind, *arguments, seed: int = 0):
    torch.manual_seed(seed)
    return kind(*arguments).eval()


def rows(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def sqnr(exact: torch.Tensor, found: torch.Tensor) -> float:
    exact, found = exact.detach().double(), found.detach().double()
    return float(10 * torch.log10((exact**2).sum() / ((exact - found) ** 2).sum()))


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


def test_counts_names_and_bits():
    model = made(Mlp)
    fc1, x = copy.deepcopy(model.fc1), rows(5, 512)
    report = ot.quantize_and_replace_linears(model)
    assert report.counts == {"replaced": 2, "ratio": 1} and report["ratio"] == 1
    assert report.reasons == {"fc1": "replaced", "fc2": "replaced", "head": "ratio"}
    assert repr(model.fc1) == "FusedLinear(512→600)" and type(model.head) is nn.Linear
    expected = numpy_network.linear_int8(x.numpy(), fc1.weight.numpy(), fc1.bias.numpy())
    np.testing.assert_array_equal(model.fc1(x).numpy(), expected)
    assert "3 linears: replaced 2, ratio 1" in str(report)


def test_activations_and_norms_are_fused_where_the_example_shows_them():
    model, x = made(Mlp), rows(2, 5, 512)
    plain, exact = copy.deepcopy(model), model(x)
    ot.quantize_and_replace_linears(plain)
    report = ot.quantize_and_replace_linears(model, example=(x,))
    assert (report.fused_activations, report.fused_norms) == (1, 1)
    assert repr(model.fc1) == "FusedLinearAct(512→600, act=gelu)" and type(model.act) is nn.Identity
    assert repr(model.norm) == "FusedLayerNorm(512, eps=1e-05)" and model.norm.weight.dtype == torch.float32
    y = model(x)
    assert sqnr(exact, y) > 30
    # Fused or not is the same arithmetic, but for torch's own GELU and norm.
    assert sqnr(plain(x), y) > 45
    np.testing.assert_array_equal(y, model(x))


@pytest.mark.parametrize(("act", "name"), [(nn.ReLU(), "relu"), (nn.ReLU(inplace=True), "relu"), (nn.ReLU6(), "relu6"), (nn.SiLU(), "silu"),
                                           (nn.Hardswish(), "hardswish"), (nn.GELU(approximate="tanh"), "gelu_tanh")])
def test_every_activation(act, name):
    model, x = made(Mlp, 600, act), rows(4, 512)
    exact = model(x)
    ot.quantize_and_replace_linears(model, example=(x,))
    assert repr(model.fc1) == f"FusedLinearAct(512→600, act={name})"
    assert sqnr(exact, model(x)) > 30


class TwoReaders(Mlp):
    def forward(self, x):
        y = self.fc1(x)
        return self.fc2(self.act(y)) + y[..., :512]


class SharedActivation(Mlp):
    def forward(self, x):
        return self.fc2(self.act(self.fc1(x))) * self.act(x)


class Functional(Mlp):
    def forward(self, x):
        return self.fc2(nn.functional.gelu(self.fc1(x)))


class Tanh(Mlp):
    def forward(self, x):
        return self.fc2(torch.tanh(self.fc1(x)))


@pytest.mark.parametrize("kind", [TwoReaders, SharedActivation, Functional, Tanh])
def test_what_is_no_chain_is_not_fused(kind):
    model, x = made(kind), rows(4, 512)
    exact = model(x)
    report = ot.quantize_and_replace_linears(model, example=x)
    assert report.fused_activations == 0 and type(model.fc1) is ot.FusedLinear and type(model.act) is nn.GELU
    assert sqnr(exact, model(x)) > 25


def test_q_k_and_v_read_rows_that_are_quantized_once(monkeypatch):
    model, x = made(Attention), rows(2, 9, 512)
    plain = copy.deepcopy(model)
    exact = model(x)
    report = ot.quantize_and_replace_linears(model, example={"x": x})
    ot.quantize_and_replace_linears(plain)
    assert (report.fused_norms, report.shared_inputs) == (1, 2)
    found = []
    monkeypatch.setattr(ot.FusedLinear, "forward", lambda self, x, forward=ot.FusedLinear.forward: (
        found.append(self.shared is not None and self.shared.find(x, self.linear) is not None), forward(self, x))[1])
    y = model(x)
    assert found == [True, True, True, False]
    assert sqnr(exact, y) > 25 and sqnr(plain(x), y) > 35
    # A tensor that has been written to is another one.
    z = model.input_norm(x)
    assert model.q.shared.find(z, model.q.linear) is not None
    z.add_(1)
    assert model.q.shared.find(z, model.q.linear) is None
    np.testing.assert_array_equal(model.q(z), model.q(z.clone()))
    with torch.inference_mode():
        assert sqnr(y, model(x)) > 100


def test_names_alone_never_decide_what_is_read():
    class Deceptive(nn.Module):
        def __init__(self):
            super().__init__()
            self.q_proj, self.k_proj, self.v_proj = (nn.Linear(512, 512) for _ in range(3))

        def forward(self, x):
            return self.q_proj(x) + self.k_proj(2 * x) + self.v_proj(x - 1)

    model, x = made(Deceptive), rows(4, 512)
    exact = model(x)
    ot.quantize_and_replace_linears(model)
    assert sqnr(exact, model(x)) > 30


def test_skip_precision_and_policy():
    model = made(Mlp)
    assert ot.quantize_and_replace_linears(copy.deepcopy(model), skip=("fc1", "^head$")).reasons == {"fc1": "skipped", "fc2": "replaced", "head": "skipped"}
    forced = copy.deepcopy(model)
    assert ot.quantize_and_replace_linears(forced, precision="int4", skip="head").counts == {"replaced": 2, "skipped": 1}
    assert repr(forced.fc1) == "FusedLinear(512→600, int4)"
    half = copy.deepcopy(model)
    assert ot.quantize_and_replace_linears(half, precision="fp16").counts == {"replaced": 3}
    x = rows(4, 512)
    assert sqnr(model(x), half(x)) > 55 and repr(half.head) == "FusedLinear(512→7, fp16)"
    cost = ot.quantize_and_replace_linears(copy.deepcopy(model), policy="cost", core="neoverse-v2", tokens=64)
    assert cost.plan.policy == "cost" and cost["replaced"] > 0
    with pytest.raises(ValueError, match="^policy: expected"):
        ot.quantize_and_replace_linears(model, policy="best")
    assert type(model.fc1) is nn.Linear


def test_weights_are_freed():
    model = made(Mlp)
    gone = weakref.ref(model.fc1.weight)
    ot.quantize_and_replace_linears(model)
    gc.collect()
    assert gone() is None
    assert {name for name, _ in model.named_parameters()} == {"norm.weight", "norm.bias", "head.weight", "head.bias"}


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(512, 512)
        self.head = nn.Linear(512, 512, bias=False)
        self.head.weight = self.table.weight
        self.a, self.b, self.c = (nn.Linear(512, 512, bias=False) for _ in range(3))
        self.b.weight = self.a.weight
        self.again = self.c

    def forward(self, ids):
        return self.head(self.again(self.c(self.b(self.a(self.table(ids))))))


def test_tied_weights_stay_tied():
    model, ids = made(Tied), torch.arange(12)
    exact = model(ids)
    report = ot.quantize_and_replace_linears(model, precision="int8")
    assert report.counts == {"replaced": 3, "tied": 1}
    assert model.head.weight is model.table.weight
    assert model.a.linear is model.b.linear and model.again is model.c
    assert sqnr(exact, model(ids)) > 25
    example = made(Tied)
    ot.quantize_and_replace_linears(example, precision="int8", example=(ids,))
    np.testing.assert_array_equal(example(ids), model(ids))


def test_linears_of_other_kinds_are_left():
    class Own(nn.Linear):
        pass

    model = nn.Sequential(Own(512, 512), nn.Linear(512, 512), nn.Linear(512, 512).double(), nn.MultiheadAttention(512, 8), nn.Linear(512, 512))
    model[1].register_forward_hook(lambda *_: None)
    report = ot.quantize_and_replace_linears(model)
    assert report.reasons == {"0": "subclass", "1": "hooks", "2": "type", "3.out_proj": "subclass", "4": "replaced"}
    assert ot.quantize_and_replace_linears(nn.Linear(512, 512)).reasons == {"": "root"}
    with torch.device("meta"):
        assert ot.quantize_and_replace_linears(nn.Sequential(nn.Linear(512, 512))).reasons == {"0": "type"}


def test_weights_that_are_no_numbers_change_nothing():
    model = made(Mlp)
    model.fc2.weight[3, 4] = torch.nan
    with pytest.raises(octile.NonFiniteError, match="fc2: expected finite weights"):
        ot.quantize_and_replace_linears(model)
    assert type(model.fc1) is nn.Linear


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_other_types(dtype):
    model, x = made(Mlp).to(dtype), rows(4, 512).to(dtype)
    exact = model(x)
    ot.quantize_and_replace_linears(model, example=(x,))
    y = model(x)
    assert y.dtype == dtype and sqnr(exact.float(), y.float()) > 25


def test_autocast():
    model, x = made(Mlp), rows(4, 512)
    ot.quantize_and_replace_linears(model, example=(x,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.fc1(x).dtype == torch.bfloat16
        y = model(x)
    assert sqnr(model(x), y.float()) > 25


def test_gradients_are_refused_and_not_wrong():
    model, x = made(Mlp), rows(4, 512)
    expected = None
    ot.quantize_and_replace_linears(model, example=(x,))
    expected = model(x)
    with torch.enable_grad():
        y = model(x.clone().requires_grad_())
        torch.testing.assert_close(y.detach(), expected, rtol=0, atol=0)
        with pytest.raises(RuntimeError, match="octile.torch: there is no backward pass"):
            y.sum().backward()


@pytest.mark.parametrize("precision", ["int8", "int4", "fp16"])
def test_state_dicts_copies_and_pickles(precision):
    model, other, x = made(Mlp), made(Mlp, seed=5), rows(4, 512)
    for one in (model, other):
        ot.quantize_and_replace_linears(one, precision=precision, example=(x,))
    expected = model(x)
    assert not torch.equal(expected, other(x))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    np.testing.assert_array_equal(other(x), expected)
    np.testing.assert_array_equal(copy.deepcopy(model)(x), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model))(x), expected)
    wrong = made(Mlp, 640)
    ot.quantize_and_replace_linears(wrong, precision=precision, example=(x,))
    with pytest.raises(RuntimeError, match=r"expected the shape \[640, 512\], found \[600, 512\]"):
        wrong.load_state_dict(model.state_dict())


def test_the_weight_of_a_replaced_linear_is_what_it_computes_with():
    for precision, least in (("int8", 40), ("int4", 20), ("fp16", 60)):
        model = made(Mlp)
        weight, bias = model.fc1.weight.clone(), model.fc1.bias.clone()
        ot.quantize_and_replace_linears(model, precision=precision)
        assert sqnr(weight, model.fc1.weight) > least
        torch.testing.assert_close(model.fc1.bias, bias, rtol=0, atol=0)


def test_moving_a_model():
    model, x = made(Mlp), rows(4, 512)
    ot.quantize_and_replace_linears(model, example=(x,))
    assert model.half()(x.half()).dtype == torch.float16
    assert model.float()(x).dtype == torch.float32
    with pytest.raises(RuntimeError, match="expected the CPU"):
        model.fc1._apply(lambda tensor: types.SimpleNamespace(device=torch.device("cuda")))


def test_torch_compile_falls_back():
    model, x = made(Mlp), rows(4, 512)
    ot.quantize_and_replace_linears(model, example=(x,))
    compiled = torch.compile(model, backend="eager")
    torch.testing.assert_close(compiled(x), model(x))


def test_torchs_encoder_layers():
    layer = nn.TransformerEncoderLayer(512, 8, 1024, batch_first=True, activation="gelu")
    model, x = made(lambda: nn.TransformerEncoder(layer, 2)), rows(2, 6, 512)
    mask = torch.tensor([[False] * 6, [False] * 4 + [True] * 2])
    exact = [model(x), model(x, src_key_padding_mask=mask)]
    report = ot.quantize_and_replace_linears(model)
    assert report["replaced"] == 4 and report["subclass"] == 2
    assert sqnr(exact[0], model(x)) > 25
    assert sqnr(exact[1][~mask], model(x, src_key_padding_mask=mask)[~mask]) > 25


def test_an_exact_list_of_layers():
    model, x = made(Attention), rows(2, 9, 512)
    layers = ot.export_layers(model, (x,))
    by_name = {layer["name"]: layer for layer in layers}
    assert [by_name[name]["inputs"] for name in "qkv"] == [["input_norm"]] * 3
    assert (by_name["q"]["m"], by_name["q"]["k"], by_name["q"]["n"], by_name["q"]["bias"]) == (18, 512, 512, True)
    assert set(by_name[by_name["o"]["inputs"][0]]["inputs"]) == {"q", "k", "v"}
    plan = octile.plan(layers)
    panels = {row["name"]: (row["panel"], row["panel_from"]) for row in plan.rows}
    assert panels["q"] == ("norm", "input_norm") and panels["o"][0] == "own"
    assert not [row for row in plan.rows if row.get("assumed")]


def test_modules_that_are_called_again():
    class Twice(Mlp):
        def forward(self, x):
            return super().forward(x) + self.head(x)

    layers = ot.export_layers(made(Twice), rows(4, 512))
    assert [layer["name"] for layer in layers if layer["name"].startswith("head")] == ["head", "head#2"]


def test_training_modes_are_kept():
    model, x = made(Mlp).train(), rows(4, 512)
    model.norm.eval()
    ot.export_layers(model, x)
    assert model.training and model.fc1.training and not model.norm.training


def test_dropout_is_passed_in_evaluation():
    model = nn.Sequential(nn.Linear(512, 512), nn.Dropout(0.5), nn.ReLU(), nn.Linear(512, 512)).eval()
    x = rows(4, 512)
    exact = model(x)
    ot.quantize_and_replace_linears(model, example=x)
    assert sqnr(exact, model(x)) > 30


def small_bert():
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(hidden_size=512, num_hidden_layers=2, num_attention_heads=8, intermediate_size=1024, vocab_size=100,
                                     max_position_embeddings=64)
    torch.manual_seed(0)
    return transformers.BertModel(config).eval()


def small_llama():
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(hidden_size=512, num_hidden_layers=2, num_attention_heads=8, num_key_value_heads=4, intermediate_size=1024,
                                      vocab_size=100, max_position_embeddings=64)
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(config).eval()


@pytest.mark.parametrize(("make", "output", "linears"), [(small_bert, "last_hidden_state", 12), (small_llama, "logits", 14)])
@pytest.mark.parametrize("with_example", [False, True])
def test_networks_of_transformers(make, output, linears, with_example):
    model, ids = make(), torch.randint(0, 100, (2, 16), generator=torch.Generator().manual_seed(3))
    exact = getattr(model(ids), output)
    example = {"input_ids": ids, "use_cache": False} if make is small_llama else {"input_ids": ids}
    report = ot.quantize_and_replace_linears(model, skip="pooler" if make is small_bert else (), min_ratio=128, example=example if with_example else None)
    assert report["replaced"] >= linears, str(report)
    if with_example:
        assert report.fused_activations == 2
        # Of two blocks' four norms and that of the embeddings, all but the last are read by linears.
        assert report.fused_norms == (4 if make is small_bert else 0)
    y = getattr(model(ids), output)
    cosine = torch.nn.functional.cosine_similarity(exact.flatten(0, -2).double(), y.flatten(0, -2).double(), dim=-1)
    assert float(cosine.min()) > 0.99

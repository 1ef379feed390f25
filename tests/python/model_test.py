"""octile.Model and octile.Session against the network in numpy, f64 (tests/capi/numpy_network.py), and against the library called otherwise."""

import copy
import gc
import pathlib
import pickle
import threading

import numpy as np
import numpy_network
import octile
import pytest
from conftest import normal

IDS = [3, 17, 4, 41, 8, 2, 30, 11]


@pytest.fixture
def model(network_file) -> octile.Model:
    return octile.Model(network_file, max_rows=64, max_sequences=3, max_context=32)


@pytest.fixture(scope="module")
def exact(network_file) -> numpy_network.Decoder:
    return numpy_network.Decoder(network_file.parent / "net.safetensors")


def logits_of(outputs: dict[str, np.ndarray]) -> np.ndarray:
    (value,) = outputs.values()
    return value


def run(session, ids) -> np.ndarray:
    return logits_of(session.run(np.array(ids, np.int32)))


def similar(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def test_a_network_is_close_to_its_own_in_f64(model, exact):
    # INT8 throughout: the cosine says that it is this network; to the bit it is the C++ library's, below.
    assert similar(run(model, IDS)[-1], exact.logits(IDS)) > 0.99


def test_a_prompt_token_by_token_has_the_same_bits(model):
    whole = run(model, IDS)
    model.reset()
    one_by_one = [run(model, [token]) for token in IDS]
    np.testing.assert_array_equal(one_by_one[-1][-1], whole[-1])
    model.reset(0)
    np.testing.assert_array_equal(run(model, IDS), whole)


def test_sequences_side_by_side(network_file):
    model = octile.Model(network_file)
    alone = [run(model.session(), ids) for ids in (IDS, IDS[:3])]
    both = model.session()
    outputs = logits_of(both.run(np.array(IDS + IDS[:3], np.int32), lengths=[len(IDS), 3]))
    np.testing.assert_array_equal(outputs, np.concatenate(alone))
    assert (both.context(0), both.context(1), both.context(2)) == (len(IDS), 3, 0)
    both.reset(0)
    assert (both.context(0), both.context(1)) == (0, 3)
    batch = logits_of(model.session().run(np.array([IDS[:3], IDS[3:6]], np.int64)))
    assert batch.shape[-1] == alone[0].shape[-1]
    np.testing.assert_array_equal(batch.reshape(-1, batch.shape[-1])[: len(alone[1])], alone[1])


def test_inputs_and_outputs_by_name(model):
    (given,), (made,) = model.inputs, model.outputs
    assert (given.features, given.optional) == (0, False) and made.features > 0
    assert repr(given) == f"<{given.name}: indices>"
    ids = np.array(IDS, np.int32)
    outputs = model.session().run({given.name: ids})
    assert list(outputs) == [made.name] and outputs[made.name].dtype == np.float32
    assert outputs[made.name].shape == ((1 if made.per_sequence else len(IDS)), made.features)
    np.testing.assert_array_equal(logits_of(model.session().run(ids.astype(np.int64))), logits_of(outputs))


@pytest.mark.parametrize(("inputs", "lengths", "error", "text"), [
    ({"nothing": np.zeros(3, np.int32)}, None, ValueError, "inputs: no input is called \"nothing\""),
    ({}, None, ValueError, "inputs: expected at least one, found none"),
    (np.zeros(3, np.float32), None, TypeError, "expected an array of int32 or int64, found numpy.ndarray of float32"),
    (np.zeros((1, 1, 3), np.int32), None, ValueError, "expected rows, or sequences of rows"),
    (np.full(3, 10**6, np.int32), None, ValueError, "1000000"),
    (np.full(3, -1, np.int32), None, ValueError, "-1"),
    (np.full(3, 2**40), None, ValueError, f"row 0: expected an index of 32 bits, found {2**40}"),
    (np.zeros(65, np.int32), None, ValueError, r"lengths\[0\]: expected at most 28 tokens behind the 4 before, found 65"),
    (np.zeros((3, 27), np.int32), None, ValueError, "64"),
    (np.zeros(0, np.int32), None, ValueError, "expected"),
    (np.zeros((0, 3), np.int32), None, ValueError, "expected"),
    (np.zeros((4, 3), np.int32), None, ValueError, "3"),
    (np.zeros(6, np.int32), [2, 3], ValueError, "expected"),
    (np.zeros(6, np.int32), [7, -1], ValueError, "expected"),
    (np.zeros(6, np.int32), [], ValueError, "expected"),
    (None, None, TypeError, "found NoneType"),
])
def test_runs_that_are_refused_change_nothing(model, inputs, lengths, error, text):
    before = run(model, IDS[:4])
    with pytest.raises(error, match=text):
        model.run(inputs, lengths)
    after = run(model, IDS[4:])
    model.reset()
    np.testing.assert_array_equal(run(model, IDS[:4]), before)
    np.testing.assert_array_equal(run(model, IDS[4:]), after)


def test_sequences_that_are_not_there(model):
    for call in (model.session().context, model.reset, model.session().reset):
        with pytest.raises(ValueError, match="sequence: expected 0 to 2, found 3"):
            call(3)


def test_files_that_are_none(tmp_path):
    with pytest.raises(OSError, match="nowhere.octile: No such file"):
        octile.Model(tmp_path / "nowhere.octile")
    with pytest.raises(TypeError):
        octile.Model(3)
    file = tmp_path / "text.octile"
    file.write_bytes(b"text")
    with pytest.raises(octile.ParseError, match="text.octile"):
        octile.Model(file)


def test_a_damaged_file(network_file, tmp_path):
    data = bytearray(network_file.read_bytes())
    data[len(data) // 2] ^= 1
    file = tmp_path / "damaged.octile"
    file.write_bytes(data)
    try:
        octile.Model(file)
    except octile.ParseError as error:
        assert "damaged.octile" in str(error)
    else:  # the panels of a level that this CPU does not use
        data = bytearray(network_file.read_bytes())
        data[20] ^= 1
        file.write_bytes(data)
        with pytest.raises(octile.ParseError):
            octile.Model(file)


def test_linears_and_tensors(model, exact):
    name = "layers.0.o_proj"
    assert name in model.linears
    linear, w = model.linear(name), exact.tensors[f"{name}.weight"].astype(np.float32)
    assert linear.shape == w.shape and linear.precision == "int8"
    x, bias = normal(1, 5, linear.k), exact.tensors.get(f"{name}.bias", np.zeros(len(w))).astype(np.float32)
    np.testing.assert_array_equal(linear(x), numpy_network.linear_int8(x, w, bias))
    norm = model.tensor("norm.weight")
    np.testing.assert_array_equal(norm.reshape(-1), exact.tensors["norm.weight"].reshape(-1).astype(np.float32))
    with pytest.raises(ValueError):
        norm[...] = 0
    for call in (model.linear, model.tensor):
        with pytest.raises(KeyError, match="nothing"):
            call("nothing")


def test_what_is_taken_of_a_file_keeps_it_mapped(network_file):
    model = octile.Model(network_file)
    linear, tensor, session = model.linear("layers.0.o_proj"), model.tensor("norm.weight"), model.session()
    x = normal(1, 2, linear.k)
    expected = linear(x), tensor.copy(), run(session, IDS)
    del model
    gc.collect()
    np.testing.assert_array_equal(linear(x), expected[0])
    np.testing.assert_array_equal(tensor, expected[1])
    session.reset()
    np.testing.assert_array_equal(run(session, IDS), expected[2])


def test_what_it_says_of_itself(model, network_file):
    assert model.plan == octile.plan(network_file)
    assert model.graph["nodes"] and model.file_bytes == network_file.stat().st_size >= model.used_bytes > 0
    assert model.session().nbytes > 0
    assert repr(model).startswith("<octile.Model ") and network_file.name in repr(model)
    assert all(isinstance(note, str) for note in model.notes)


def test_sessions_of_eight_threads(network_file):
    model, results = octile.Model(network_file), [None] * 8
    expected = run(model.session(), IDS)

    def work(i: int) -> None:
        results[i] = run(model.session(), IDS)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_threads_that_share_a_session_wait_for_each_other(network_file):
    session, failed = octile.Model(network_file, max_context=512).session(), []

    def work() -> None:
        try:
            for _ in range(10):
                session.run(np.array(IDS[:2], np.int32))
        except octile.Error as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and session.context(0) == 4 * 10 * 2


def test_models_are_not_pickled_or_copied(model):
    for value in (model, model.session()):
        for call in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="cannot pickle"):
                call(value)


def test_paths_need_not_be_utf8(network_file, tmp_path):
    file = tmp_path / pathlib.Path(b"\xff.octile".decode(errors="surrogateescape"))
    file.write_bytes(network_file.read_bytes())
    assert octile.Model(file).linears
    assert octile.plan(file) == octile.plan(network_file)

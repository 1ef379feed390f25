// Packed models of the C API.
#include "octile/packed_model.h"

#include <fstream>
#include <string>
#include <vector>

#include "tests/capi/c_handles.h"
#include "tests/capi/c_network.h"

namespace octile::test {
namespace {

TEST_CASE("capi model: what the C++ interface says of the file") {
    const Network network;
    const CModel model = network.open();
    const PackedModel cpp = PackedModel::open(network.file(), usable_isas().value()).value();
    octile_error error;
    auto figures = sized<octile_model_figures>();
    require_ok(octile_model_get_figures(model.get(), &figures, &error), error);
    CHECK(figures.file_bytes == std::filesystem::file_size(network.file()));
    CHECK(figures.used_bytes == cpp.figures().used_bytes);
    CHECK(figures.repacked_bytes == cpp.figures().repacked_bytes);
    CHECK(octile_model_graph_json(model.get()) == cpp.graph());

    octile_plan* plan = nullptr;
    require_ok(octile_model_get_plan(model.get(), &plan, &error), error);
    const CPlan owner(plan);
    CHECK(octile_plan_layer_count(plan) == cpp.plan().layers.size());

    REQUIRE(octile_model_linear_count(model.get()) == cpp.parameters()->linears().size());
    std::size_t index = 0;
    for (const auto& [name, linear] : cpp.parameters()->linears()) {
        CHECK(octile_model_linear_name(model.get(), index) == name);
        octile_linear* found = nullptr;
        require_ok(octile_model_get_linear(model.get(), name.c_str(), &found, &error), error);
        const CLinear held(found);
        auto info = sized<octile_linear_info>();
        require_ok(octile_linear_get_info(found, &info, &error), error);
        CHECK(info.n == linear.n());
        index++;
    }
    CHECK(octile_model_linear_name(model.get(), index) == nullptr);

    REQUIRE(octile_model_tensor_count(model.get()) == cpp.tensors().size());
    for (std::size_t i = 0; i < cpp.tensors().size(); i++) {
        auto tensor = sized<octile_tensor>();
        require_ok(octile_model_get_tensor(model.get(), i, &tensor, &error), error);
        CHECK(tensor.name == cpp.tensors()[i].name);
        CHECK(tensor.dtype == cpp.tensors()[i].dtype);
        CHECK(std::vector(tensor.shape, tensor.shape + tensor.rank) == cpp.tensors()[i].shape);
        CHECK(std::memcmp(tensor.data, cpp.tensors()[i].data.data(), tensor.bytes) == 0);
    }
}

TEST_CASE("capi model: a linear outlives its model") {
    const Network network;
    CModel model = network.open();
    octile_linear* linear = nullptr;
    octile_error error;
    require_ok(octile_model_get_linear(model.get(), octile_model_linear_name(model.get(), 0), &linear, &error), error);
    const CLinear owner(linear);
    model.reset();
    auto info = sized<octile_linear_info>();
    require_ok(octile_linear_get_info(linear, &info, &error), error);
    const std::vector<float> x(static_cast<std::size_t>(info.k), 0.5f);
    std::vector<float> y(static_cast<std::size_t>(info.n));
    const octile_matrix from{x.data(), 1, info.k, 0, OCTILE_F32};
    const octile_mutable_matrix to{y.data(), 1, info.n, 0, OCTILE_F32};
    require_ok(octile_linear_run(linear, &from, &to, make_workspace().get(), nullptr, &error), error);
}

TEST_CASE("capi model: panels for other levels are packed anew, which a note says") {
    const Network network;
    octile_isa_set lowest = octile_supported_isas();
    lowest &= ~lowest + 1;
    const CModel model = network.open(lowest);
    auto figures = sized<octile_model_figures>();
    REQUIRE(octile_model_get_figures(model.get(), &figures, nullptr) == OCTILE_OK);
    CHECK((octile_model_note_count(model.get()) > 0) == (figures.repacked_bytes > 0));
    for (std::size_t i = 0; i < octile_model_note_count(model.get()); i++)
        CHECK(std::string(octile_model_note(model.get(), i)).find("packed again") != std::string::npos);
}

TEST_CASE("capi model: what is no such file, name or index") {
    const Network network;
    const TempFolder folder;
    const CModel model = network.open();
    octile_error error;
    octile_model* none = nullptr;
    octile_linear* linear = nullptr;
    auto tensor = sized<octile_tensor>();
    const auto open = [&](const std::filesystem::path& path, octile_isa_set isas = 0) {
        const octile_status status = octile_model_open(path.c_str(), isas, &none, &error);
        CHECK(none == nullptr);
        return status;
    };
    require_error(open(folder.path() / "none"), error, OCTILE_IO_ERROR, {folder.path().string(), "No such file"});
    require_error(open(folder.path()), error, OCTILE_IO_ERROR, {folder.path().string()});
    require_error(open(folder.write("text", "no packed file at all")), error, OCTILE_PARSE_ERROR, {"text"});
    require_error(open(""), error, OCTILE_IO_ERROR, {});
    require_error(open(network.file(), 1u << 31), error, OCTILE_INVALID_ARGUMENT, {"isas"});
    require_error(open(network.file(), ~octile_supported_isas() & 0xff), error, OCTILE_UNSUPPORTED, {"this CPU lacks"});
    require_error(octile_model_get_linear(model.get(), "no such\nname", &linear, &error), error,
                  OCTILE_INVALID_ARGUMENT, {"no linear \"no such\\x0aname\""});
    require_error(octile_model_get_tensor(model.get(), SIZE_MAX, &tensor, &error), error, OCTILE_INVALID_ARGUMENT,
                  {"index"});
    // Damaged where it is used.
    std::fstream file(network.file(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-64, std::ios::end);
    file.write("damaged", 7);
    file.close();
    require_error(open(network.file()), error, OCTILE_PARSE_ERROR, {network.file().string()});
}

}  // namespace
}  // namespace octile::test

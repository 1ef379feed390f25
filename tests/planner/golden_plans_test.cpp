// The plan of every layer list in models/, by ratio and by cost on a few cores, as text that is kept in golden/. A
// change of a decision or of a figure is a change of these files: OCTILE_UPDATE_GOLDEN=1 writes them anew, for the diff
// to show.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "inputs/read_model.h"
#include "octile/planner.h"

using namespace octile;
namespace fs = std::filesystem;

namespace {

std::string read(const fs::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// One core of each kind: i8mm on server and phone, SDOT, neither, SMMLA without a gain. With threads, and decoding.
std::string plans_of(const Model& prompt, const Model& decoding) {
    std::string text;
    const auto add = [&](const Model& model, const PlanOptions& options) {
        const Result<Plan> plan = make_plan(model, options);
        INFO(plan.status().message());
        REQUIRE(plan.ok());
        if (!text.empty()) text += '\n';
        text += to_text(plan.value());
    };
    add(prompt, {});
    for (const char* const core : {"neoverse-v2", "cortex-a720", "neoverse-n1", "cortex-a53", "oryon"}) {
        PlanOptions options;
        options.policy = Policy::kCost;
        options.core = find_core(core).value();
        add(prompt, options);
        add(decoding, options);
        options.threads = 4;
        add(prompt, options);
    }
    return text;
}

}  // namespace

TEST_CASE("Golden plans of every list", "[golden]") {
    const fs::path models = OCTILE_MODELS, golden = OCTILE_GOLDEN;
    const bool update = std::getenv("OCTILE_UPDATE_GOLDEN") != nullptr;
    std::set<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(models)) {
        if (entry.path().extension() != ".csv") continue;
        const std::string name = entry.path().stem().string();
        INFO(name);
        names.insert(name);
        const Result<Model> prompt = read_model(entry.path(), {.tokens = std::nullopt, .skip = {}});
        const Result<Model> decoding = read_model(entry.path(), {.tokens = 1, .skip = {}});
        REQUIRE(prompt.ok());
        REQUIRE(decoding.ok());
        const std::string text = plans_of(prompt.value(), decoding.value());
        const fs::path file = golden / (name + ".txt");
        if (update) std::ofstream(file) << text;
        // Lines, so that a failure shows the first that differs and not two pages.
        std::istringstream found(text), expected(read(file));
        std::string found_line, expected_line;
        bool same = true;
        while (same && std::getline(found, found_line)) {
            std::getline(expected, expected_line);
            same = found_line == expected_line;
            CHECK(found_line == expected_line);
        }
        CHECK(text.size() == read(file).size());
    }
    CHECK(names.size() >= 8);
    for (const fs::directory_entry& entry : fs::directory_iterator(golden))
        CHECK(names.contains(entry.path().stem().string()));
}

// Whose source tree `octile tune` builds in.
#include "tuner/source_tree.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>

#include "tests/inputs/temp_folder.h"

using namespace octile;
using namespace octile::tuner;
using octile::test::TempFolder;

namespace {

namespace fs = std::filesystem;

// A tree with all that a build runs.
class Tree {
  public:
    Tree() : root_(folder_.path() / "octile") {
        for (const char* name : {"schedules", "tuner", ".venv/bin", "other"})
            fs::create_directories(root_ / name);
        for (const char* name : {"octile/CMakeLists.txt", "octile/schedules/default.json", "octile/tuner/candidates.py",
                                 "octile/.venv/bin/cmake", "octile/other/file", "elsewhere"})
            folder_.write(name, "x");
        fs::create_symlink(folder_.path() / "elsewhere", root_ / "tuner/link.py");
        for (const auto& entry : fs::recursive_directory_iterator(root_)) {
            if (!entry.is_symlink()) ::chmod(entry.path().c_str(), 0755);
        }
        ::chmod(root_.c_str(), 0755);
        ::chmod((folder_.path() / "elsewhere").c_str(), 0644);
    }
    const fs::path& root() const { return root_; }
    std::string refusal() const { return check_owner(root_).message(); }

  private:
    TempFolder folder_;
    fs::path root_;
};

constexpr uid_t kSomebody = 12345;

}  // namespace

TEST_CASE("A tree that is all the user's may be built in", "[source_tree]") {
    const Tree tree;
    CHECK(tree.refusal() == "");
}

TEST_CASE("Whatever everybody may write to, a tree with it may not be built in", "[source_tree]") {
    for (const char* name : {"", "CMakeLists.txt", "schedules", "schedules/default.json", "tuner/candidates.py",
                             ".venv/bin", ".venv/bin/cmake", "../elsewhere"}) {
        const Tree tree;
        const fs::path path = *name ? tree.root() / name : tree.root();
        ::chmod(path.c_str(), 0777);
        INFO(path);
        CHECK(tree.refusal().find("may be written to by everybody") != std::string::npos);
        CHECK(check_owner(tree.root()).code() == StatusCode::kInvalidArgument);
    }
}

TEST_CASE("A tree with anything of another user may not be built in", "[source_tree]") {
    if (::geteuid() != 0) return;  // nobody else can give files away
    for (const char* name :
         {"", "CMakeLists.txt", "schedules", "schedules/default.json", "tuner", "tuner/candidates.py", ".venv",
          ".venv/bin/cmake", "tuner/link.py", "../elsewhere", ".."}) {
        const Tree tree;
        const fs::path path = *name ? tree.root() / name : tree.root();
        REQUIRE(::lchown(path.c_str(), kSomebody, static_cast<gid_t>(-1)) == 0);
        INFO(path);
        const std::string refusal = tree.refusal();
        INFO(refusal);
        CHECK(refusal.starts_with("--source: found "));
        CHECK(refusal.find("is of user 12345") != std::string::npos);
    }
}

TEST_CASE("Group's writing counts unless the group is the user's own", "[source_tree]") {
    const Tree tree;
    const fs::path file = tree.root() / "other/file";
    if (::geteuid() != 0) return;
    REQUIRE(::chown(file.c_str(), 0, 54321) == 0);
    CHECK(tree.refusal() == "");
    ::chmod(file.c_str(), 0664);
    CHECK(tree.refusal().find("may be written to by group 54321") != std::string::npos);
}

TEST_CASE("Links that lead around in circles or nowhere end", "[source_tree]") {
    const Tree tree;
    fs::create_symlink(tree.root(), tree.root() / "other/round");
    fs::create_symlink("nowhere", tree.root() / "other/dangling");
    CHECK(tree.refusal() == "");
}

TEST_CASE("A tree that is named is taken, whosever it is", "[source_tree]") {
    const Tree tree;
    ::chmod(tree.root().c_str(), 0777);
    CHECK(find_source(tree.root()).value() == fs::canonical(tree.root()));
    CHECK(find_source(tree.root() / "tuner").status().code() == StatusCode::kInvalidArgument);
}

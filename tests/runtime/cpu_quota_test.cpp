// Quotas of cgroups, read from files as the kernel writes them, below a folder that stands for /.
#include "runtime/cpu_quota.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/inputs/temp_folder.h"

namespace octile::test {
namespace {

class Machine {
  public:
    void write(const std::string& path, const std::string& text) {
        const std::filesystem::path file = folder_.path() / path;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file) << text;
    }
    void cgroups(const std::string& text) { write("proc/self/cgroup", text); }
    void mounts(const std::string& text) { write("proc/self/mountinfo", text); }
    std::optional<double> quota() const { return cpu_quota(folder_.path()); }

  private:
    TempFolder folder_;
};

const std::string kUnified = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const std::string kVersion1 =
    "31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 24 0:28 / /sys/fs/cgroup/memory rw,nosuid shared:10 - cgroup cgroup rw,memory\n";

TEST_CASE("quota: none without cgroups, or where there is no limit") {
    Machine machine;
    CHECK(machine.quota() == std::nullopt);
    machine.cgroups("0::/user.slice\n");
    CHECK(machine.quota() == std::nullopt);
    machine.mounts("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + kUnified);
    CHECK(machine.quota() == std::nullopt);
    machine.write("sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
    CHECK(machine.quota() == std::nullopt);
}

TEST_CASE("quota: the least of the cgroup and those above it, v2") {
    Machine machine;
    machine.cgroups("0::/a.slice/b.service\n");
    machine.mounts(kUnified);
    machine.write("sys/fs/cgroup/a.slice/b.service/cpu.max", "250000 100000\n");
    CHECK(machine.quota() == 2.5);
    machine.write("sys/fs/cgroup/a.slice/cpu.max", "150000 100000\n");
    CHECK(machine.quota() == 1.5);
    machine.write("sys/fs/cgroup/cpu.max", "40000 20000\n");
    CHECK(machine.quota() == 1.5);
    machine.write("sys/fs/cgroup/elsewhere/cpu.max", "1000 100000\n");
    CHECK(machine.quota() == 1.5);
}

TEST_CASE("quota: v1, and both at once") {
    Machine machine;
    machine.cgroups("5:memory:/m\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n");
    machine.mounts(kVersion1);
    machine.write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n");
    machine.write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "-1\n");
    CHECK(machine.quota() == std::nullopt);
    machine.write("sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "300000\n");
    CHECK(machine.quota() == 3.0);
    machine.write("sys/fs/cgroup/unified/docker/abc/cpu.max", "50000 100000\n");
    machine.mounts(kVersion1 + "30 24 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    CHECK(machine.quota() == 0.5);
}

TEST_CASE("quota: in a container, what is mounted is the process's own cgroup or one above it") {
    // A mount of a part of the hierarchy, its path with a space.
    Machine part;
    part.cgroups("0::/docker/abc/inner\n");
    part.mounts("30 24 0:26 /docker/abc /sys/fs/c\\040group rw - cgroup2 cgroup2 rw\n");
    part.write("sys/fs/c group/inner/cpu.max", "100000 100000\n");
    CHECK(part.quota() == 1.0);
    part.write("sys/fs/c group/cpu.max", "70000 100000\n");
    CHECK(part.quota() == 0.7);
    // The process's cgroup lies outside of what is mounted: all that is known is the mount itself.
    Machine outside;
    outside.cgroups("0::/docker/abc\n");
    outside.mounts("30 24 0:26 /docker/abcdef /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    outside.write("sys/fs/cgroup/cpu.max", "200000 100000\n");
    CHECK(outside.quota() == 2.0);
    outside.cgroups("0::/../..\n");
    outside.mounts(kUnified);
    CHECK(outside.quota() == 2.0);
}

TEST_CASE("quota: files that are not as they should be are no quota") {
    Machine machine;
    machine.cgroups("0::/\nnonsense\n::\n");
    machine.mounts("-\n - \n30 24 - cgroup2\n" + kUnified);
    for (const char* text : {"", "max", "100000", "1e5 100000", "-1 100000", "100000 0", "0 100000", "1 2 3",
                             "99999999999999999999 100000"}) {
        INFO(text);
        machine.write("sys/fs/cgroup/cpu.max", text);
        CHECK(machine.quota() == std::nullopt);
    }
    machine.write("sys/fs/cgroup/cpu.max", "100000 100000");
    CHECK(machine.quota() == 1.0);
}

}  // namespace
}  // namespace octile::test

// A plugin of qemu-user 7.2 and later (its plugin interface, version 1): which blocks of a program were executed, in
// which order, between two addresses of that program.
//
//   qemu-aarch64 -plugin libtrace_blocks.so,begin=<address>,end=<address>,out=<file> program
//
// Addresses are hexadecimal. Executing `begin` starts the record, anew each time, and executing `end` stops it. A block
// is what QEMU translates at once: consecutive instructions of which the last may branch, so that once entered it is
// executed whole. At exit the file holds, little-endian:
//
//   uint64 blocks, uint64 steps, then {uint64 address, uint64 instructions} per block, then uint32 block per step
//
// One thread: what other threads execute would be mixed into the record.
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

// Debian's qemu-user has no header of the interface: the functions used here.
extern "C" {
using qemu_plugin_id_t = std::uint64_t;
struct qemu_plugin_tb;
struct qemu_info_t;
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, qemu_plugin_tb*));
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb*, void (*)(unsigned cpu, void*), int flags, void*);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void*), void*);
std::size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb*);
std::uint64_t qemu_plugin_tb_vaddr(const qemu_plugin_tb*);
__attribute__((visibility("default"))) int qemu_plugin_version = 1;
}

namespace {

struct Block {
    std::uint64_t address, instructions;
};

std::uint64_t begin_address, end_address;
std::string out_path;
bool recording = false;
std::deque<Block> blocks;  // QEMU keeps pointers to them
std::vector<std::uint32_t> steps;

[[noreturn]] void fail(const std::string& message) {
    std::fprintf(stderr, "trace_blocks: %s\n", message.c_str());
    std::exit(1);
}

void executed(unsigned, void* index) {
    const auto block = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(index));
    const std::uint64_t address = blocks[block].address;
    if (address == begin_address) {
        recording = true;
        steps.clear();
    }
    if (address == end_address) recording = false;
    if (recording) steps.push_back(block);
}

void translated(qemu_plugin_id_t, qemu_plugin_tb* tb) {
    const std::uintptr_t index = blocks.size();
    blocks.push_back({qemu_plugin_tb_vaddr(tb), qemu_plugin_tb_n_insns(tb)});
    constexpr int kNoRegisters = 0;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, kNoRegisters, reinterpret_cast<void*>(index));
}

void write_record(qemu_plugin_id_t, void*) {
    std::FILE* file = std::fopen(out_path.c_str(), "wb");
    if (!file) fail(out_path + ": cannot be written");
    const std::uint64_t counts[] = {blocks.size(), steps.size()};
    bool written = std::fwrite(counts, sizeof(counts), 1, file) == 1;
    for (const Block& block : blocks)
        written = written && std::fwrite(&block, sizeof(block), 1, file) == 1;
    written = written && std::fwrite(steps.data(), sizeof(steps[0]), steps.size(), file) == steps.size();
    if (std::fclose(file) != 0 || !written) fail(out_path + ": write error");
}

// The value of "name=value"; null if `argument` is another one.
const char* value_of(const char* argument, const char* name) {
    const std::size_t length = std::strlen(name);
    return std::strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1 : nullptr;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t*,
                                                                          int argc, char** argv) {
    for (int i = 0; i < argc; i++) {
        if (const char* first = value_of(argv[i], "begin")) {
            begin_address = std::strtoull(first, nullptr, 16);
        } else if (const char* last = value_of(argv[i], "end")) {
            end_address = std::strtoull(last, nullptr, 16);
        } else if (const char* path = value_of(argv[i], "out")) {
            out_path = path;
        } else {
            fail(std::string("unknown argument \"") + argv[i] + "\"; expected begin=, end= or out=");
        }
    }
    if (begin_address == 0 || end_address == 0 || out_path.empty()) fail("begin=, end= and out= are needed");
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, write_record, nullptr);
    return 0;
}

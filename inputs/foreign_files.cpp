#include "inputs/foreign_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/path_text.h"
#include "inputs/format.h"

namespace octile {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr std::size_t kStartBytes = 4096;
// Of an archive's end, where its list of files is.
constexpr std::size_t kEndBytes = std::size_t{1} << 18;

// Bytes of names in a message.
constexpr std::size_t kMostNames = 200;

constexpr std::string_view kSaveAsSafetensors =
    "save it as safetensors: save_pretrained() of transformers does, or safetensors.torch.save_file() of its "
    "state_dict()";
constexpr std::string_view kUnpack = "unpack it, and name the file or folder that was in it";

struct Start {
    std::size_t at;
    std::string_view bytes;
    std::string_view what;
    std::string_view todo;
};

constexpr Start kStarts[] = {
    {0, "version https://git-lfs.github.com/spec/"sv, "a git-lfs pointer, a few lines that stand for the file",
     "git lfs pull, in the folder it was cloned into, brings the file"},
    {0, "lmgg"sv, "a GGML file, which old versions of llama.cpp read",
     "name the checkpoint that it was made from, in safetensors"},
    {0, "tjgg"sv, "a GGML file, which old versions of llama.cpp read",
     "name the checkpoint that it was made from, in safetensors"},
    {4, "ORTM"sv, "ONNX Runtime's own form of a model (.ort)", "name the ONNX file that it was made from"},
    {4, "TFL3"sv, "a TensorFlow Lite model", "name the checkpoint that it was made from, in safetensors or ONNX"},
    {0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file, as Keras writes",
     "export the network to ONNX, or save its weights as safetensors"},
    {0, "\x93NUMPY"sv, "an array of NumPy (.npy)", "save the weights as safetensors: safetensors.numpy.save_file()"},
    {257, "ustar"sv, "a tar archive", kUnpack},
    {0, "\x1f\x8b"sv, "a gzip file", kUnpack},
    {0, "\x28\xb5\x2f\xfd"sv, "a zstd file", kUnpack},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "an xz file", kUnpack},
    {0, "BZh"sv, "a bzip2 file", kUnpack},
    {0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive", kUnpack},
};

std::string say(std::string_view what, std::string_view todo) {
    return fmt::format("{}; {}", what, todo);
}

std::string read_part(const fs::path& path, std::uintmax_t offset, std::size_t most) {
    std::ifstream file(path, std::ios::binary);
    std::string bytes(most, '\0');
    if (!file.seekg(static_cast<std::streamoff>(offset))) return "";
    file.read(bytes.data(), static_cast<std::streamsize>(most));
    bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return bytes;
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

std::string of_markup(std::string_view start) {
    const std::size_t first = start.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
    if (first == std::string_view::npos || start[first] != '<') return "";
    const std::string text = lower(start.substr(first));
    if (text.starts_with("<!doctype html") || text.starts_with("<html"))
        return say("an HTML page, as a web server sends in place of a file",
                   "download it again, from the address of the file itself");
    if (text.starts_with("<?xml") && text.find("<net ") != std::string::npos)
        return say("an OpenVINO network", "name the ONNX file or checkpoint that it was made from");
    if (text.starts_with("<?xml"))
        return say("an XML document, as a web server sends in place of a file", "download it again");
    return "";
}

// The names of what is in a zip archive stand in its directory, at its end.
std::string of_zip(const fs::path& path, std::uintmax_t size) {
    const std::string end = read_part(path, size > kEndBytes ? size - kEndBytes : 0, kEndBytes);
    const auto has = [&](std::string_view name) { return end.find(name) != std::string::npos; };
    if (has("/code/__torch__") || (has("constants.pkl") && has("/code/")))
        return say("a TorchScript program (zip)", "export the network to ONNX, or save its weights as safetensors");
    const std::string extension = lower(path.extension().string());
    const bool torch = extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt";
    if (has("data.pkl") || torch) return say("a checkpoint of torch.save (zip)", kSaveAsSafetensors);
    if (has("model.weights.h5"))
        return say("a Keras model (zip)", "export the network to ONNX, or save its weights as safetensors");
    if (has(".npy"))
        return say("arrays of NumPy (.npz)", "save the weights as safetensors: safetensors.numpy.save_file()");
    return say("a zip archive", kUnpack);
}

// A pickle of protocol 2 to 5, as torch.save writes since before it wrote archives.
bool is_pickle(std::string_view start) {
    return start.size() > 2 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5 &&
           (start.substr(2, 2) == "\x8a\x0a"sv || "c}](\x95X\x8c"sv.find(start[2]) != std::string_view::npos);
}

bool is_safetensors(std::string_view start, std::uintmax_t size) {
    std::uint64_t header_bytes = 0;
    if (start.size() <= sizeof(header_bytes) || start[sizeof(header_bytes)] != '{') return false;
    std::memcpy(&header_bytes, start.data(), sizeof(header_bytes));
    return header_bytes <= size - sizeof(header_bytes);
}

}  // namespace

std::string foreign_file(const fs::path& path) {
    std::error_code error;
    if (!fs::is_regular_file(path, error)) return "";
    const std::uintmax_t size = fs::file_size(path, error);
    if (error) return "";
    const std::string start = read_part(path, 0, kStartBytes);
    if (is_safetensors(start, size)) return "";  // whatever its length looks like
    for (const Start& known : kStarts) {
        if (start.size() >= known.at + known.bytes.size() &&
            start.compare(known.at, known.bytes.size(), known.bytes) == 0)
            return say(known.what, known.todo);
    }
    if (start.starts_with("PK\x03\x04")) return of_zip(path, size);
    if (is_pickle(start)) return say("a pickle, as torch.save writes", kSaveAsSafetensors);
    return of_markup(start);
}

std::string foreign_folder(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code ignored;
        if (entry->is_regular_file(ignored)) files.push_back(entry->path());
    }
    std::sort(files.begin(), files.end());  // the order of a folder is any
    for (const fs::path& file : files) {
        if (file.filename() == "adapter_model.safetensors")
            return fmt::format(
                "; {} is a LoRA adapter and no network: merge it into its base (merge_and_unload() of peft)",
                display(file.filename()));
    }
    for (const fs::path& file : files) {
        if (is_shard(file))
            return fmt::format(
                "; {} is one of several files: model.safetensors.index.json, which says what is in which, "
                "is missing and has to be downloaded too",
                display(file.filename()));
    }
    std::string several;
    for (const fs::path& file : files) {
        if (file.extension() != ".safetensors" || !foreign_file(file).empty()) continue;
        several += (several.empty() ? "" : ", ") + display(file.filename());
    }
    for (const fs::path& file : files)
        if (file.extension() == ".gguf") several += (several.empty() ? "" : ", ") + display(file.filename());
    if (!several.empty()) return fmt::format("; name one of {}", several.substr(0, kMostNames));
    for (const fs::path& file : files) {
        if (file.extension() == ".onnx") return fmt::format("; {} is there: name it", display(file.filename()));
    }
    for (const fs::path& file : files) {
        if (const std::string what = foreign_file(file); !what.empty())
            return fmt::format("; {} is {}", display(file.filename()), what);
    }
    return "";
}

}  // namespace octile

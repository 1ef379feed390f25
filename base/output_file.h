// The one way to write a file: what was there stays whole until the new file is, and no input is written over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/output_target.h"
#include "base/temporary_file.h"
#include "octile/status.h"

namespace octile {

// Whether it may be an input: only where the new content is the old one, changed, such as a list that gets longer.
enum class WriteOver { kNoInput, kOldContent };

// Whether the output could be written, before there is anything to write; errors are those of create().
Status check_output(const std::filesystem::path& path, OutputKind kind = OutputKind::kFileOrStream);

// A file that takes its place in one step: whoever reads the path sees the old file or the new one, and after an error,
// a signal or a crash the old one. Until then it is a temporary file beside it (temporary_file.h). A stream is written
// to directly. Messages begin with the path. Inputs are those of input_files.h.
class OutputFile {
  public:
    // kInvalidArgument for an input by whatever name, kIoError for what cannot be written to.
    static Result<OutputFile> create(const std::filesystem::path& path, OutputKind kind = OutputKind::kFileOrStream,
                                     WriteOver over = WriteOver::kNoInput);

    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&& other) noexcept;
    ~OutputFile();  // without commit(), nothing has happened; but a stream has what was written to it

    // Room for that many bytes, of a file: kIoError if the disk has less. File systems that cannot reserve have to be
    // written to before they say that they are full.
    Status reserve(std::uint64_t bytes);
    // Behind what was written so far.
    Status write(std::span<const std::byte> bytes);
    // Of a file, anywhere.
    Status write_at(std::uint64_t offset, std::span<const std::byte> bytes);
    // Everything that was written is on the disk when it returns.
    Status sync();
    // The file takes its place; it and its folder are on the disk then. The last call. kInvalidArgument if an input has
    // come to that place since.
    Status commit();

  private:
    OutputFile() = default;
    int descriptor() const { return stream_ >= 0 ? stream_ : file_.descriptor(); }
    Status io_error(std::string_view what, int error) const;
    Status sync_folder() const;

    std::filesystem::path path_;
    OutputTarget target_;
    TemporaryFile file_;
    int stream_ = -1;
    WriteOver over_ = WriteOver::kNoInput;
};

// A whole file.
Status write_file(const std::filesystem::path& path, std::string_view data, WriteOver over = WriteOver::kNoInput);

}  // namespace octile

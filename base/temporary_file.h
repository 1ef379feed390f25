// A file that is written beside the one whose place it takes.
#pragma once

#include <filesystem>

#include "base/output_target.h"

namespace octile {

struct TemporaryPath;

// ".<name of the target>.<32 hexadecimal digits>.tmp" in the target's folder, the name cut where that is longer than a
// name may be. The digits are random. As long as its process lives, the file is locked: one without a lock was left
// behind by a process that was killed, and the next one that is made for the same target removes it. Where the file
// system has no locks, such files stay.
//
// Functions return 0, or the errno of what failed.
class TemporaryFile {
  public:
    TemporaryFile() = default;
    TemporaryFile(TemporaryFile&& other) noexcept;
    TemporaryFile& operator=(TemporaryFile&& other) noexcept;
    ~TemporaryFile();  // removes what has not taken its place

    // An empty file with the mode, owner and group of the one that it is going to replace, as far as this process may
    // give them away; of none, what open() gives. At no time it allows anyone more than that. Precondition:
    // target.is_replaced().
    int create(const OutputTarget& target);
    int descriptor() const { return descriptor_; }
    // Takes the target's place, in one step; closed and, after an error, removed.
    int replace();

  private:
    int open(const OutputTarget& target);
    void remove();

    std::filesystem::path target_;
    TemporaryPath* path_ = nullptr;  // null: there is no file
    int descriptor_ = -1;
};

// What ends the process by SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE or SIGXCPU first removes the temporary files that
// there are. Signals that are ignored or handled already are left alone. Not for libraries: a command's main calls it.
void remove_temporary_files_on_signals();

}  // namespace octile

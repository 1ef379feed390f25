// Files that this process has read, told apart by device and inode whatever they are called, so that no output takes
// the place of one: output_file.h asks.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>

namespace octile {

// From now on, add_input() remembers. For commands; a program that the library is part of keeps no such list.
void keep_inputs();

// `descriptor` is read from and was opened by this name. Everything that opens a file to read it calls this; what is no
// regular file does not count. Any thread may call it.
void add_input(int descriptor, const std::filesystem::path& path);

// The same for a file that belongs to an input although it may not be read itself, if it is there.
void add_input(const std::filesystem::path& path);

// `descriptor` is a file that this process has made: what it may read of it later does not make it an input.
void add_own_file(int descriptor);

// The file that was opened last; null: none was. For a message about what nobody foresaw.
const std::filesystem::path* last_input();

// The name by which this file was read first; nothing if it was not.
std::optional<std::filesystem::path> find_input(const struct stat& file);

}  // namespace octile

// The demo's private temporary folder: configurations, logs, sockets and the file that is moved.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace wanbond {

/// A fresh folder of mode 0700 below $TMPDIR or /tmp; removed with all its content on destruction.
class DemoFolder {
 public:
  static Result<DemoFolder> make();

  DemoFolder(DemoFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  DemoFolder& operator=(DemoFolder&&) = delete;
  ~DemoFolder();

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const noexcept { return path_; }
  /// Writes a new file of mode 0600.
  Result<void> write(const std::string& name, const std::string& text) const;
  /// The last line of a file that is not empty; empty if there is none.
  std::string last_line(const std::string& name) const;
  /// Removes one file.
  void remove(const std::string& name) const noexcept;
  /// From now on it stays.
  void keep() noexcept { path_.clear(); }

 private:
  explicit DemoFolder(std::string path) noexcept : path_(std::move(path)) {}

  std::string path_;  // empty: nothing to remove
};

}  // namespace wanbond

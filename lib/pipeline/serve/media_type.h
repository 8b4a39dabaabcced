#pragma once

#include <string_view>

namespace bantam {

// The Content-Type of a file by its name. Browsers refuse modules and compile wasm in one piece where the
// type is wrong. What is not known is application/octet-stream.
std::string_view media_type(std::string_view file_name);

}  // namespace bantam

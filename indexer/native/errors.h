// What the kernels throw; the binding turns each into the class of lsr/errors.py that says who must act.
#pragma once

#include <stdexcept>

namespace lsr {

// The caller's arguments are at fault: InvalidArgumentError.
struct InvalidArgument : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

// The index's arrays contradict each other: IndexCorruptError.
struct Corrupt : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace lsr

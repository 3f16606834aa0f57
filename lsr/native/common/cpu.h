// Which instruction set the kernels use: asked once, shared by both native modules.
#pragma once

#include <string>

namespace lsr {

enum class Isa { scalar = 0, avx2 = 1, avx512 = 2 };

// "scalar", "avx2" or "avx512".
const char* isa_name(Isa isa);

// The best level this processor and operating system support.
Isa supported_isa();

// The level in use: `supported_isa()`, or a lower one named by the environment variable LSR_ISA.
// Throws std::invalid_argument if LSR_ISA names an unknown level or one this processor lacks.
Isa active_isa();

// The level for a name given by a caller (tests and benchmarks); an empty name means `active_isa()`.
// Throws std::invalid_argument as `active_isa` does.
Isa isa_from_name(const std::string& name);

}  // namespace lsr

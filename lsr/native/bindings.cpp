// Arrays in, arrays out: no logic lives here.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "arrays.h"
#include "cpu.h"

namespace nb = nanobind;

NB_MODULE(_native, m) {
    m.def(
        "active_isa", [] { return std::string(lsr::isa_name(lsr::active_isa())); },
        "The instruction set in use: 'scalar', 'avx2' or 'avx512'.");
    m.def(
        "supported_isa", [] { return std::string(lsr::isa_name(lsr::supported_isa())); },
        "The best instruction set of this processor.");
    lsr::bind_head(m);
    lsr::bind_body(m);
}

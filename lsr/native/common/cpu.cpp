#include "cpu.h"

#include <cstdlib>
#include <stdexcept>

namespace lsr {

namespace {

constexpr Isa kLevels[] = {Isa::scalar, Isa::avx2, Isa::avx512};

Isa parse(const std::string& name, const char* origin) {
    for (Isa level : kLevels) {
        if (name == isa_name(level)) {
            if (level > supported_isa()) {
                throw std::invalid_argument(std::string(origin) + " asks for '" + name +
                                            "', but this processor supports '" + isa_name(supported_isa()) +
                                            "' at most");
            }
            return level;
        }
    }
    throw std::invalid_argument(std::string(origin) + " names the unknown instruction set '" + name +
                                "'; known are scalar, avx2 and avx512");
}

}  // namespace

const char* isa_name(Isa isa) {
    switch (isa) {
        case Isa::avx512: return "avx512";
        case Isa::avx2: return "avx2";
        default: return "scalar";
    }
}

Isa supported_isa() {
#if defined(__x86_64__)
    // __builtin_cpu_supports also asks the operating system (XGETBV) whether it saves the wide registers.
    __builtin_cpu_init();
    const bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
                        __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bitalg") &&
                        __builtin_cpu_supports("avx512vpopcntdq");
    return avx512 ? Isa::avx512 : avx2 ? Isa::avx2 : Isa::scalar;
#else
    return Isa::scalar;
#endif
}

Isa active_isa() {
    static const Isa chosen = [] {
        const char* forced = std::getenv("LSR_ISA");
        return forced == nullptr || *forced == '\0' ? supported_isa() : parse(forced, "LSR_ISA");
    }();
    return chosen;
}

Isa isa_from_name(const std::string& name) {
    return name.empty() ? active_isa() : parse(name, "isa");
}

}  // namespace lsr

#include "buffer.h"

#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace lsr {

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMappedFrom = size_t{4} << 20;

}  // namespace

void BufferDeleter::operator()(void* data) const noexcept {
#if defined(__linux__)
    if (mapped) {
        munmap(data, size_bytes);
        return;
    }
#endif
    std::free(data);
}

std::unique_ptr<void, BufferDeleter> allocate_zeroed(size_t size_bytes) {
#if defined(__linux__)
    if (size_bytes >= kMappedFrom) {
        void* data = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (data == MAP_FAILED) throw std::bad_alloc();
        madvise(data, size_bytes, MADV_HUGEPAGE);  // advice: a refusal costs speed only
        return {data, BufferDeleter{size_bytes, true}};
    }
#endif
    const size_t rounded = (size_bytes + kAlignment) / kAlignment * kAlignment;  // never zero
    void* data = std::aligned_alloc(kAlignment, rounded);
    if (data == nullptr) throw std::bad_alloc();
    std::memset(data, 0, rounded);
    return {data, BufferDeleter{size_bytes, false}};
}

}  // namespace lsr

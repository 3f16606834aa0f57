// Cache-line-aligned memory for tables and workspaces.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <utility>

namespace lsr {

// An array of plain values, 64-byte aligned, uninitialised. Grows by `reserve`, which forgets the contents;
// tables of 4 MiB and more ask for huge pages (small ones must not: rounding each up to 2 MiB wastes memory).
template <class T>
class Aligned {
    static_assert(std::is_trivially_copyable_v<T>);

  public:
    Aligned() = default;
    explicit Aligned(size_t n) { reserve(n); }
    Aligned(Aligned&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}
    Aligned& operator=(Aligned&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(capacity_, other.capacity_);
        return *this;
    }
    ~Aligned() { std::free(data_); }

    // Room for n values. What was there is lost if it has to grow.
    void reserve(size_t n) {
        if (n <= capacity_) return;
        T* fresh = allocate(n);
        std::free(data_);
        data_ = fresh;
        capacity_ = n;
    }

    T* data() { return data_; }
    const T* data() const { return data_; }
    size_t capacity() const { return capacity_; }
    T& operator[](size_t at) { return data_[at]; }
    const T& operator[](size_t at) const { return data_[at]; }

  private:
    static T* allocate(size_t n) {
        constexpr size_t kHugePage = size_t{2} << 20;
        const size_t bytes = n * sizeof(T);
        const bool huge = bytes >= 2 * kHugePage;
        const size_t alignment = huge ? kHugePage : 64;
        void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
        if (memory == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
        if (huge) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
        return static_cast<T*>(memory);
    }

    T* data_ = nullptr;
    size_t capacity_ = 0;
};

}  // namespace lsr

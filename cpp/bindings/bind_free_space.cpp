/// Free-space kernel for Python. Every refusal is raised as podhand.core.errors.PerceptionError.
#include "bindings.hpp"

#include <podhand/free_space.hpp>

#include <pybind11/stl.h>

#include <array>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace podhand::bindings {
namespace {

namespace fs = podhand::free_space;
using fs::BitGrid;
using fs::Index;
using fs::Mask;
using fs::Size;

std::string described(const py::handle& value) {
  if (!py::isinstance<py::array>(value)) return std::string(py::str(py::type::of(value).attr("__name__")));
  const auto array = py::reinterpret_borrow<py::array>(value);
  return "shape " + std::string(py::str(array.attr("shape"))) + " of " + std::string(py::str(array.dtype()));
}

template <typename T>
bool has_type(const py::array& array) {
  return py::isinstance<py::array_t<T>>(array);
}

/// A two-dimensional C-contiguous array of T, or a refusal that says what came instead.
template <typename T>
const T* pixels_of(const py::handle& value, const char* name, const char* wanted, Size& size) {
  if (py::isinstance<py::array>(value)) {
    const auto array = py::reinterpret_borrow<py::array>(value);
    const bool bytes = sizeof(T) == 1 && has_type<bool>(array);
    const bool fits = array.ndim() == 2 && (has_type<T>(array) || bytes) && (array.flags() & py::array::c_style);
    if (fits && array.shape(0) >= 1 && array.shape(1) >= 1 && array.shape(0) <= fs::kMaxSide &&
        array.shape(1) <= fs::kMaxSide) {
      size = {array.shape(0), array.shape(1)};
      return static_cast<const T*>(array.data());
    }
  }
  throw fs::Refusal(std::string(name) + ": got " + described(value) + ", needs a C-contiguous array (h, w) of " +
                    wanted + ", 1.." + std::to_string(fs::kMaxSide) + " pixels each; see numpy.ascontiguousarray");
}

const std::uint8_t* occupancy_of(const py::handle& value, Size& size) {
  return pixels_of<std::uint8_t>(value, "occupancy", "uint8 or bool", size);
}

/// The caller's array for results, or a new one.
template <typename T>
py::array_t<T> result(const py::object& out, Size size) {
  if (out.is_none()) return py::array_t<T>({size.h, size.w});
  if (py::isinstance<py::array_t<T>>(out)) {
    auto array = py::reinterpret_borrow<py::array_t<T>>(out);
    const bool fits = array.ndim() == 2 && array.shape(0) == size.h && array.shape(1) == size.w;
    if (fits && array.writeable() && (array.flags() & py::array::c_style)) return array;
  }
  throw fs::Refusal("out: got " + described(out) + ", needs a writable C-contiguous array (" + std::to_string(size.h) +
                    ", " + std::to_string(size.w) + ") of " + std::string(py::str(py::dtype::of<T>())));
}

/// Run without the interpreter's lock.
template <typename Function>
void unlocked(Function&& function) {
  const py::gil_scoped_release release;
  function();
}

BitGrid grid_of(const py::handle& occupancy) {
  Size size;
  const std::uint8_t* pixels = occupancy_of(occupancy, size);
  return BitGrid::from_occupancy(pixels, size);
}

std::vector<BitGrid> depth_planes(const py::handle& depth_m, const std::vector<float>& need_m) {
  Size size;
  const float* depth = pixels_of<float>(depth_m, "depth_m", "float32", size);
  return BitGrid::from_depth(depth, size, need_m);
}

py::array placements(const py::object& occupancy, Index h, Index w, const py::object& out) {
  const Size shape{h, w};
  if (py::isinstance<BitGrid>(occupancy)) {
    const auto& grid = occupancy.cast<const BitGrid&>();
    auto map = result<std::uint8_t>(out, fs::places_of(grid.size(), shape));
    std::uint8_t* to = map.mutable_data();
    unlocked([&] { fs::placements(grid, shape, to); });
    return map;
  }
  Size image;
  const std::uint8_t* pixels = occupancy_of(occupancy, image);
  auto map = result<std::uint8_t>(out, fs::places_of(image, shape));
  std::uint8_t* to = map.mutable_data();
  unlocked([&] { fs::placements(pixels, image, shape, to); });
  return map;
}

py::array placements_mask(const py::object& occupancy, const Mask& mask, const py::object& out) {
  std::optional<BitGrid> own;
  if (!py::isinstance<BitGrid>(occupancy)) own = grid_of(occupancy);
  const BitGrid& grid = own ? *own : occupancy.cast<const BitGrid&>();
  auto map = result<std::uint8_t>(out, fs::places_of(grid.size(), mask.size()));
  std::uint8_t* to = map.mutable_data();
  unlocked([&] { fs::placements(grid, mask, to); });
  return map;
}

/// The caller's grid for results.
BitGrid& grid_result(const py::object& out) {
  if (py::isinstance<BitGrid>(out)) return out.cast<BitGrid&>();
  throw fs::Refusal("out: got " + described(out) + ", needs a BitGrid");
}

py::object grid_placements(const BitGrid& grid, Index h, Index w, const py::object& out) {
  if (out.is_none()) return py::cast(fs::placements(grid, Size{h, w}));
  BitGrid& to = grid_result(out);
  unlocked([&] { fs::placements(grid, Size{h, w}, to); });
  return out;
}

py::object grid_placements_mask(const BitGrid& grid, const Mask& mask, const py::object& out) {
  py::object to = out.is_none() ? py::cast(BitGrid(fs::places_of(grid.size(), mask.size()))) : out;
  BitGrid& places = grid_result(to);
  unlocked([&] { fs::placements(grid, mask, places); });
  return to;
}

/// Rows of `columns` int32.
const std::int32_t* table_of(const py::handle& value, const char* name, py::ssize_t columns, py::ssize_t& rows) {
  if (py::isinstance<py::array_t<std::int32_t>>(value)) {
    const auto array = py::reinterpret_borrow<py::array_t<std::int32_t>>(value);
    if (array.ndim() == 2 && array.shape(1) == columns && (array.flags() & py::array::c_style)) {
      rows = array.shape(0);
      return array.data();
    }
  }
  throw fs::Refusal(std::string(name) + ": got " + described(value) + ", needs a C-contiguous array (n, " +
                    std::to_string(columns) + ") of int32");
}

py::array count(const py::object& occupancy, const py::object& bins, const py::object& sizes) {
  py::ssize_t bin_count = 0, size_count = 0;
  const auto* bin_rows = reinterpret_cast<const fs::Bin*>(table_of(bins, "bins", 4, bin_count));
  const std::int32_t* size_rows = table_of(sizes, "sizes", 2, size_count);
  std::vector<Size> shapes;
  for (py::ssize_t n = 0; n < size_count; ++n) shapes.push_back({size_rows[2 * n], size_rows[2 * n + 1]});
  std::optional<BitGrid> own;
  if (!py::isinstance<BitGrid>(occupancy)) own = grid_of(occupancy);
  const BitGrid& grid = own ? *own : occupancy.cast<const BitGrid&>();
  py::array_t<std::int64_t> counts({bin_count, size_count});
  std::int64_t* to = counts.mutable_data();
  unlocked([&] { fs::count(grid, {bin_rows, static_cast<std::size_t>(bin_count)}, shapes, to); });
  return counts;
}

py::tuple best_places(const BitGrid& free_places, const py::object& cost, Index k, Index separation_px) {
  Size size;
  const float* values = pixels_of<float>(cost, "cost", "float32", size);
  if (size.h != free_places.size().h || size.w != free_places.size().w) {
    throw fs::Refusal("cost: got " + described(cost) + ", needs one value per place, (" +
                      std::to_string(free_places.size().h) + ", " + std::to_string(free_places.size().w) + ")");
  }
  const std::vector<fs::Place> found = fs::best_places(free_places, values, k, separation_px);
  const auto n = static_cast<py::ssize_t>(found.size());
  py::array_t<std::int32_t> places({n, py::ssize_t{2}});
  py::array_t<float> costs(n);
  for (py::ssize_t i = 0; i < n; ++i) {
    places.mutable_at(i, 0) = static_cast<std::int32_t>(found[static_cast<std::size_t>(i)].y);
    places.mutable_at(i, 1) = static_cast<std::int32_t>(found[static_cast<std::size_t>(i)].x);
    costs.mutable_at(i) = found[static_cast<std::size_t>(i)].cost;
  }
  return py::make_tuple(places, costs);
}

template <typename From, typename To>
py::array windows(void (*operation)(const From*, Size, Size, To*), const py::object& values, const char* wanted,
                  Index h, Index w, const py::object& out) {
  Size image;
  const From* from = pixels_of<From>(values, "values", wanted, image);
  auto found = result<To>(out, fs::places_of(image, {h, w}));
  To* to = found.mutable_data();
  unlocked([&] { operation(from, image, {h, w}, to); });
  return found;
}

py::array window_sums(const py::object& values, Index h, Index w, const py::object& out) {
  if (py::isinstance<py::array_t<std::uint8_t>>(values)) {
    return windows<std::uint8_t, std::int32_t>(fs::window_sums, values, "uint8", h, w, out);
  }
  return windows<float, float>(fs::window_sums, values, "float32 or uint8", h, w, out);
}

py::array window_minima(const py::object& values, Index h, Index w, const py::object& out) {
  return windows<float, float>(fs::window_minima, values, "float32", h, w, out);
}

py::array to_array(const BitGrid& grid) {
  py::array_t<std::uint8_t> pixels({grid.size().h, grid.size().w});
  grid.write_to(pixels.mutable_data());
  return pixels;
}

Mask mask_of(const py::object& shape) {
  Size size;
  const std::uint8_t* pixels = pixels_of<std::uint8_t>(shape, "mask", "uint8 or bool", size);
  return Mask(pixels, size);
}

void translate(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const fs::Refusal& refusal) {
    const py::object error = py::module_::import("podhand.core.errors").attr("PerceptionError");
    py::set_error(error, refusal.what());
  }
}

}  // namespace

void bind_free_space(py::module_& module) {
  py::register_exception_translator(&translate);
  py::class_<BitGrid>(module, "BitGrid", "One bit per pixel, 1 = free; see podhand/free_space.hpp.")
      .def(py::init(&grid_of), py::arg("occupancy"), "From (h, w) uint8 or bool, nonzero = occupied.")
      .def_static(
          "all_occupied", [](Index h, Index w) { return BitGrid({h, w}); }, py::arg("h"), py::arg("w"))
      .def_property_readonly("shape", [](const BitGrid& g) { return std::pair(g.size().h, g.size().w); })
      .def("count", &BitGrid::count, "Return the number of free pixels.")
      .def("to_array", &to_array, "Return (h, w) uint8, 1 = free.")
      .def("placements", &grid_placements, py::arg("h"), py::arg("w"), py::kw_only(), py::arg("out") = py::none())
      .def("placements_mask", &grid_placements_mask, py::arg("mask"), py::kw_only(), py::arg("out") = py::none())
      .def("best", &best_places, py::arg("cost"), py::arg("k"), py::arg("separation_px"));
  py::class_<Mask>(module, "Mask", "A shape of any form, prepared for placements_mask.")
      .def(py::init(&mask_of), py::arg("shape"), "From (h, w) uint8 or bool, nonzero = belongs to the shape.")
      .def_property_readonly("shape", [](const Mask& m) { return std::pair(m.size().h, m.size().w); })
      .def_property_readonly(
          "rectangles",
          [](const Mask& m) {
            std::vector<std::array<Index, 4>> all;
            for (const fs::Piece& piece : m.pieces()) {
              const fs::Level& level = m.levels()[static_cast<std::size_t>(piece.level)];
              all.push_back({piece.dy, piece.dx, Index{1} << level.log_rows, Index{1} << level.log_cols});
            }
            return all;
          })
      .def_property_readonly("kinds", [](const Mask& m) { return m.levels().size(); });
  module.def("depth_planes", &depth_planes, py::arg("depth_m"), py::arg("need_m"));
  module.def("placements", &placements, py::arg("occupancy"), py::arg("h"), py::arg("w"), py::kw_only(),
             py::arg("out") = py::none());
  module.def("placements_mask", &placements_mask, py::arg("occupancy"), py::arg("mask"), py::kw_only(),
             py::arg("out") = py::none());
  module.def("count_placements", &count, py::arg("occupancy"), py::arg("bins"), py::arg("sizes"));
  module.def("window_sums", &window_sums, py::arg("values"), py::arg("h"), py::arg("w"), py::kw_only(),
             py::arg("out") = py::none());
  module.def("window_minima", &window_minima, py::arg("values"), py::arg("h"), py::arg("w"), py::kw_only(),
             py::arg("out") = py::none());
  module.def("free_space_instruction_sets", &fs::instruction_sets);
  module.def("free_space_instruction_set", &fs::instruction_set);
  module.def("use_free_space_instruction_set", &fs::use_instruction_set, py::arg("name"));
}

}  // namespace podhand::bindings

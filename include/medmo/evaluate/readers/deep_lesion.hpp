// DeepLesion: CT slices of 512 x 512 with boxes around bookmarked lesions.
//   DL_info.csv: File_name "000001_01_01_109.png", Bounding_boxes "x1, y1, x2, y2" (several follow one another), pixels,
//   Coarse_lesion_type, Train_Val_Test 1|2|3, ... The published pictures are 16-bit (Hounsfield units + 32768); they are read after
//   export through the row's DICOM_windows to 8 bits, as File_name or folder/slice.png. Source: arXiv 1710.01766.
#pragma once

#include "boxes.hpp"

namespace medmo::inline MEDMO_ABI::evaluate::readers {

inline data_format deep_lesion() {
  data_format f;
  f.folders = {"deeplesion", "deep_lesion"};
  f.files = {{"DL_info.csv"}};
  f.read = [](row const& r, std::vector<item>& out) {
    item i;
    i.kind = task::grounding;
    auto const name = needed_text(r, {"File_name"});
    i.id = name;
    auto const flat = picture_path(r, name, {"images", "Images_png", "", "images"});
    std::error_code ignored;
    auto const cut = name.rfind('_');
    i.images = {cut == name.npos || std::filesystem::is_regular_file(std::filesystem::path(r.folder) / flat, ignored)
                    ? flat
                    : picture_path(r, name.substr(0, cut) + "/" + name.substr(cut + 1), {"images", "Images_png", ""})};
    auto const list = needed_text(r, {"Bounding_boxes"});
    auto const count = static_cast<std::size_t>(std::count(list.begin(), list.end(), ',')) + 1;
    auto const v = numbers_of(r, "Bounding_boxes", list, count - count % 4 + (count % 4 == 0 ? 0 : 4));
    for (std::size_t at = 0; at < v.size(); at += 4)
      i.boxes.push_back({"lesion", corner_box(r, "Bounding_boxes", io::json(std::vector<double>(v.begin() + static_cast<std::ptrdiff_t>(at), v.begin() + static_cast<std::ptrdiff_t>(at) + 4)))});
    i.question = "Detect and localize the lesion.";
    i.group = text_field(r, {"Coarse_lesion_type"});
    auto const split = needed_text(r, {"Train_Val_Test"});
    if (split != "1" && split != "2" && split != "3") detail::bad_field(r, "Train_Val_Test", "1, 2 or 3", split);
    i.split = split == "1" ? "train" : split == "2" ? "val" : "test";
    out.push_back(std::move(i));
  };
  return f;
}

}  // namespace medmo::inline MEDMO_ABI::evaluate::readers

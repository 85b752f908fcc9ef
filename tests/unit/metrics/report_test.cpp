// The report labeller on sentences of our own, each with what a reader takes from it; and agreement of labels.
#include <doctest/doctest.h>
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "medmo/metrics/observation_f1.hpp"
#include "medmo/metrics/report.hpp"

namespace {
using namespace medmo::metrics;

// In this order: No Finding, Enlarged Cardiomediastinum ... Support Devices.
constexpr std::array<std::string_view, observation_count> codes = {
    "clean",     "mediastinum", "heart",        "lesion",   "opacity", "edema",    "consol",
    "pneumonia", "atelect",     "pneumothorax", "effusion", "pleura",  "fracture", "devices"};
/// "effusion+ edema? pneumothorax-": positive, uncertain, negative.
std::string written(observations const& o) {
  std::string out;
  for (std::size_t k = 0; k < observation_count; ++k) {
    if (o.of[k] == mention::none) continue;
    if (!out.empty()) out += ' ';
    out += codes[k];
    out += "_-?+"[static_cast<std::size_t>(o.of[k])];
  }
  return out;
}

struct expected {
  std::string_view sentence, labels;
};
constexpr expected sentences[] = {
    // nothing said
    {"", ""},
    {"   \n\n ", ""},
    {"PA and lateral views of the chest.", "clean+"},
    {"No acute cardiopulmonary process.", "clean+"},
    {"Normal chest radiograph.", "clean+"},
    {"The osseous structures are intact.", "clean+"},
    // plain findings
    {"Small left pleural effusion.", "effusion+"},
    {"Bilateral pleural effusions are present.", "effusion+"},
    {"There is blunting of the left costophrenic angle.", "effusion+"},
    {"The right costophrenic sulcus is blunted.", "effusion+"},
    {"Hemothorax on the left.", "effusion+"},
    {"A moderate right pneumothorax is seen.", "pneumothorax+"},
    {"Right hydropneumothorax.", "pneumothorax+ effusion+"},
    {"Mild cardiomegaly.", "heart+"},
    {"The heart is mildly enlarged.", "heart+"},
    {"Cardiac silhouette is enlarged.", "heart+"},
    {"Enlargement of the cardiac silhouette.", "heart+"},
    {"Cardiac enlargement is unchanged.", "heart+"},
    {"Widening of the mediastinum.", "mediastinum+"},
    {"The mediastinum is widened.", "mediastinum+"},
    {"Enlarged cardiomediastinal silhouette.", "mediastinum+"},
    {"A 2.3 cm nodule in the right upper lobe.", "lesion+"},
    {"Calcified granulomas are again noted.", "lesion+"},
    {"Multiple pulmonary masses.", "lesion+"},
    {"Findings of metastatic disease.", "lesion+"},
    {"Patchy opacities at both bases.", "opacity+"},
    {"Left lower lobe infiltrate.", "opacity+"},
    {"Increased interstitial markings.", "opacity+"},
    {"Airspace disease in the left lung.", "opacity+"},
    {"Moderate pulmonary edema.", "edema+"},
    {"Mild pulmonary vascular congestion.", "edema+"},
    {"Findings of congestive heart failure.", "edema+"},
    {"Interstitial oedema has increased.", "edema+"},
    {"Right middle lobe consolidation.", "consol+"},
    {"Dense consolidative change at the left base.", "consol+"},
    {"Multifocal pneumonia.", "pneumonia+"},
    {"Aspiration pneumonia in the right lower lobe.", "pneumonia+"},
    {"Bibasilar atelectasis.", "atelect+"},
    {"Atelectatic changes at the left base.", "atelect+"},
    {"Collapse of the left lower lobe.", "atelect+"},
    {"Left apical pleural thickening.", "pleura+"},
    {"Calcified pleural plaques.", "pleura+"},
    {"Healing fracture of the right sixth rib.", "fracture+"},
    {"Compression deformities of the thoracic spine.", "fracture+"},
    {"Endotracheal tube tip is 4 cm above the carina.", "clean+ devices+"},
    {"Right PICC terminates in the SVC.", "clean+ devices+"},
    {"Median sternotomy wires are intact.", "clean+ devices+"},
    {"Dual-chamber pacemaker in place.", "clean+ devices+"},
    {"Port-A-Cath in unchanged position.", "clean+ devices+"},
    // several in one sentence
    {"Small bilateral effusions and bibasilar atelectasis.", "atelect+ effusion+"},
    {"Cardiomegaly with pulmonary edema.", "heart+ edema+"},
    {"Opacity consistent with pneumonia.", "opacity+ pneumonia+"},
    {"Left effusion, atelectasis, and consolidation.", "consol+ atelect+ effusion+"},
    {"ET tube and NG tube in place; small right pneumothorax.", "pneumothorax+ devices+"},
    // negation before
    {"No pleural effusion.", "clean+ effusion-"},
    {"No pneumothorax is seen.", "clean+ pneumothorax-"},
    {"There is no focal consolidation.", "clean+ consol-"},
    {"No evidence of pneumonia.", "clean+ pneumonia-"},
    {"Without pleural effusion or pneumothorax.", "clean+ pneumothorax- effusion-"},
    {"No focal consolidation, pleural effusion, or pneumothorax.", "clean+ consol- pneumothorax- effusion-"},
    {"No focal consolidation, pleural effusion, pneumothorax.", "clean+ consol- pneumothorax- effusion-"},
    {"No consolidation, effusion, or pneumothorax is identified.", "clean+ consol- pneumothorax- effusion-"},
    {"No pneumothorax and no pleural effusion.", "clean+ pneumothorax- effusion-"},
    {"No effusion and pneumothorax.", "clean+ pneumothorax- effusion-"},
    {"No displaced rib fracture.", "clean+ fracture-"},
    {"Negative for pneumonia.", "clean+ pneumonia-"},
    {"The lungs are free of consolidation.", "clean+ consol-"},
    {"The lungs are clear of focal consolidation, pneumothorax, or effusion.",
     "clean+ opacity- consol- pneumothorax- effusion-"},
    {"Absence of pleural effusion.", "clean+ effusion-"},
    {"Neither pneumothorax nor effusion.", "clean+ pneumothorax- effusion-"},
    {"No suspicious nodule or mass.", "clean+ lesion-"},
    {"No findings suggestive of pneumonia.", "clean+ pneumonia-"},
    {"No definite pneumothorax.", "clean+ pneumothorax-"},
    {"No new opacity.", "clean+ opacity-"},
    {"Resolution of the right pneumothorax.", "clean+ pneumothorax-"},
    {"Interval removal of the endotracheal tube.", "clean+ devices-"},
    {"The heart is not enlarged.", "clean+ heart-"},
    {"The mediastinum is not widened.", "clean+ mediastinum-"},
    {"Scarring rather than consolidation.", "clean+ consol-"},
    // negation behind
    {"Pneumothorax is not seen.", "clean+ pneumothorax-"},
    {"A pleural effusion is not identified.", "clean+ effusion-"},
    {"The left effusion has resolved.", "clean+ effusion-"},
    {"Previously seen consolidation has cleared.", "clean+ consol-"},
    {"Pulmonary edema is no longer present.", "clean+ edema-"},
    {"Pneumonia is unlikely.", "clean+ pneumonia-"},
    {"Pneumothorax has been excluded.", "clean+ pneumothorax-"},
    {"Effusion and pneumothorax are absent.", "clean+ pneumothorax- effusion-"},
    {"The chest tube has been removed.", "clean+ devices-"},
    // normal organs
    {"Heart size is normal.", "clean+ heart-"},
    {"Normal heart size.", "clean+ heart-"},
    {"Heart size and mediastinal contours are within normal limits.", "clean+ mediastinum- heart-"},
    {"The cardiomediastinal silhouette is unremarkable.", "clean+ mediastinum-"},
    {"The cardiac silhouette is within normal limits.", "clean+ heart-"},
    {"The lungs are clear.", "clean+ opacity-"},
    {"Lungs clear bilaterally.", "clean+ opacity-"},
    {"Clear lungs.", "clean+ opacity-"},
    {"The costophrenic angles are sharp.", "clean+ effusion-"},
    // where a negation ends
    {"No pneumothorax, but a small pleural effusion.", "pneumothorax- effusion+"},
    {"No pneumothorax but effusion.", "pneumothorax- effusion+"},
    {"No pneumothorax; small left effusion.", "pneumothorax- effusion+"},
    {"No pneumothorax. Small left effusion.", "pneumothorax- effusion+"},
    {"No pneumothorax, small left effusion.", "pneumothorax- effusion+"},
    {"No pneumothorax is seen and there is a small effusion.", "pneumothorax- effusion+"},
    {"No consolidation, mild bibasilar atelectasis.", "consol- atelect+"},
    {"No focal consolidation, although atelectasis is present.", "consol- atelect+"},
    {"No effusion, however, there is mild edema.", "edema+ effusion-"},
    {"No acute findings apart from small effusions.", "effusion+"},
    {"No pneumothorax with a stable right effusion.", "pneumothorax- effusion+"},
    {"Without pneumothorax, unchanged cardiomegaly.", "heart+ pneumothorax-"},
    {"Atelectasis without effusion.", "atelect+ effusion-"},
    {"Effusion has decreased, pneumothorax not seen.", "pneumothorax- effusion+"},
    {"Small effusion, no pneumothorax.", "pneumothorax- effusion+"},
    {"Cardiomegaly is stable and no effusion is seen.", "heart+ effusion-"},
    // a no that negates nothing
    {"Cardiomegaly is not changed.", "heart+"},
    {"No change in the left pleural effusion.", "effusion+"},
    {"No significant interval change in bibasilar atelectasis.", "atelect+"},
    {"The pneumothorax has not resolved.", "pneumothorax+"},
    {"No increase in pulmonary edema.", "edema+"},
    // uncertainty
    {"Possible small left effusion.", "effusion?"},
    {"Probable left lower lobe pneumonia.", "pneumonia?"},
    {"Opacity may represent atelectasis or pneumonia.", "opacity+ pneumonia? atelect?"},
    {"Opacity could represent consolidation.", "opacity+ consol?"},
    {"Findings concerning for pneumonia.", "pneumonia?"},
    {"Suspected rib fracture.", "fracture?"},
    {"Questionable nodule at the right apex.", "lesion?"},
    {"Cannot exclude pneumonia.", "pneumonia?"},
    {"A small effusion cannot be excluded.", "effusion?"},
    {"Pneumonia is not excluded.", "pneumonia?"},
    {"Superimposed infection is possible.", "pneumonia?"},
    {"Atelectasis versus pneumonia.", "pneumonia? atelect?"},
    {"? pneumonia", "pneumonia?"},
    {"Likely mild edema.", "edema?"},
    {"Borderline cardiomegaly.", "heart?"},
    {"Appearance suggests mild pulmonary edema.", "edema?"},
    {"Left retrocardiac opacity, possibly atelectasis.", "opacity+ atelect?"},
    {"No pneumothorax, cannot exclude small effusion.", "pneumothorax- effusion?"},
    {"No effusion, possible atelectasis.", "atelect? effusion-"},
    {"Pneumonia, possible effusion.", "pneumonia+ effusion?"},
    {"Rule out fracture.", "fracture?"},
    // the strongest mention counts
    {"No effusion on the right. Small effusion on the left.", "effusion+"},
    {"Possible effusion. No effusion on the lateral view.", "effusion?"},
    {"Possible pneumonia. Findings are those of pneumonia.", "pneumonia+"},
    // words that are no finding
    {"No mass effect.", "clean+"},
    {"Trace pericardial effusion.", "clean+"},
    {"Nipple shadows project over both lung bases.", "clean+"},
    // whole reports
    {"FINDINGS: The heart is normal in size. The lungs are clear. There is no pleural effusion or "
     "pneumothorax.\n\nIMPRESSION: No acute disease.",
     "clean+ heart- opacity- pneumothorax- effusion-"},
    {"Findings: {Low lung volumes with bibasilar atelectasis. No focal\nconsolidation, effusion or pneumothorax} "
     "Impression: {Atelectasis.}",
     "consol- atelect+ pneumothorax- effusion-"},
};

TEST_CASE("report: labels of sentences") {
  static_assert(std::size(sentences) >= 120);
  for (auto const& [sentence, labels] : sentences) {
    CAPTURE(std::string(sentence));
    CHECK(written(label_report(sentence)) == std::string(labels));
  }
}

TEST_CASE("report: case, line breaks and marks play no part") {
  for (auto const& [sentence, labels] : sentences) {
    std::string loud, wrapped;
    for (char c : sentence) loud += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    for (char c : sentence) wrapped += c == ' ' ? "\n " : std::string(1, c);
    CAPTURE(std::string(sentence));
    CHECK(written(label_report(loud)) == std::string(labels));
    if (sentence.find('\n') == std::string_view::npos && !sentence.empty())
      CHECK(written(label_report(wrapped)) == std::string(labels));
  }
}

TEST_CASE("report: no text is refused") {
  std::string hostile;
  for (int i = 0; i < 3000; ++i) hostile += static_cast<char>((i * 7919) & 255);
  CHECK(label_report(hostile)[observation::no_finding] == mention::positive);
  CHECK(label_report(std::string(2000, ',')).of[1] == mention::none);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "no effusion ";
  CHECK(label_report(many)[observation::pleural_effusion] == mention::negative);
}

observations labels(std::string_view text) { return label_report(text); }

TEST_CASE("observation F1: counted by hand") {
  std::vector<observations> const truth = {labels("Effusion."), labels("Effusion. Edema."), labels("No effusion."),
                                           labels("Possible fracture.")};
  std::vector<observations> const predicted = {labels("Effusion."), labels("Edema."), labels("Effusion."),
                                               labels("Fracture.")};
  auto const s = score_observations(predicted, truth);
  auto of = [&](observation o) { return s.counts[static_cast<std::size_t>(o)]; };
  CHECK(of(observation::pleural_effusion).both == 1);
  CHECK(of(observation::pleural_effusion).only_true == 1);
  CHECK(of(observation::pleural_effusion).only_predicted == 1);
  CHECK(of(observation::no_finding).only_true == 1);
  CHECK(s.each[static_cast<std::size_t>(observation::pleural_effusion)].f1 == doctest::Approx(0.5));
  // effusion 1/1/1, edema 1/0/0, fracture 1/0/0, no finding 0/0/1
  CHECK(s.micro.f1 == doctest::Approx(2 * 3.0 / (2 * 3 + 1 + 2)));
  CHECK(s.macro_f1 == doctest::Approx((0.5 + 1 + 1 + 0) / 4));
  CHECK(s.micro_5.f1 == doctest::Approx(2 * 2.0 / (2 * 2 + 1 + 1)));
  CHECK(s.macro_f1_5 == doctest::Approx(0.75));

  auto const strict = score_observations(predicted, truth, uncertain_as::negative);
  CHECK(strict.counts[static_cast<std::size_t>(observation::fracture)].only_predicted == 1);
  auto const certain = score_observations(predicted, truth, uncertain_as::left_out);
  CHECK(certain.counts[static_cast<std::size_t>(observation::fracture)].only_predicted == 0);
  CHECK(certain.counts[static_cast<std::size_t>(observation::fracture)].both == 0);

  CHECK(score_observations({}, {}).macro_f1 == 0);
  CHECK_THROWS_AS(score_observations(predicted, std::span(truth).first(2)), medmo::error);
}
}  // namespace

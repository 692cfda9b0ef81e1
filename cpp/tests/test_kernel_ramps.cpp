/// Speed ramps, targets, phases, rotations.
#include "check.hpp"
#include "linear.hpp"
#include "ramps.hpp"
#include "rotation.hpp"
#include "trigonometry.hpp"

using namespace podhand;

namespace {

void ramp_keeps_acceleration_and_jerk() {
  for (const double target : {0.0, 0.01, 0.3, -0.5}) {
    for (const double start : {0.0, 0.4, -0.2}) {
      SpeedRamp ramp;
      ramp.start(start);
      double v = start, a = 0.0;
      int steps = 0;
      while (!(ramp.speed == target && ramp.acceleration == 0.0)) {
        ramp.step(target, 2.0, 50.0, 1e-3);
        const double now = (ramp.speed - v) / 1e-3;
        CHECK(std::fabs(now) <= 2.0 + 1e-9);
        CHECK(std::fabs(now - a) <= 3.0 * 50.0 * 1e-3 + 1e-9);
        v = ramp.speed;
        a = now;
        CHECK(++steps < 1000);
        CHECK(v <= std::fmax(start, target) + 1e-3 && v >= std::fmin(start, target) - 1e-3);
      }
    }
  }
}

/// A ramp that never lands would keep a chain from ending: start speeds and rates over many decades.
void ramp_always_lands() {
  struct Case {
    double speed, acceleration, jerk;
  };
  const Case cases[] = {{-0.0037030863579629661, 0.95447123114950394, 56809.566600523292},
                        {-1.6492440290760819e-07, 7928.4485514119933, 15312.883395354598},
                        {2.2050298026902957e-12, 10821.963645431886, 3.9750535223871095},
                        {1.7567709344217051, 1.9959281946652809, 37586.699151312831}};
  for (const Case& c : cases) {
    SpeedRamp ramp;
    ramp.start(c.speed);
    for (int i = 0; i < 5000 && !ramp.standing(); ++i) ramp.step(0.0, c.acceleration, c.jerk, 1e-3);
    CHECK(ramp.standing());
  }
}

void stopping_speed_leaves_room() {
  for (const double distance : {1e-5, 1e-3, 0.05, 0.5}) {
    SpeedRamp ramp;
    ramp.start(stopping_speed(distance, 2.0, 50.0));
    double way = 0.0;
    for (int i = 0; i < 5000 && ramp.speed > 0.0; ++i) {
      ramp.step(0.0, 2.0, 50.0, 1e-4);
      way += ramp.speed * 1e-4;
    }
    CHECK(way <= distance * 1.02 + 1e-6);
  }
}

void phases_play_as_written() {
  const Phase phases[2] = {{0, 0, 0, 0, 6}, {1, 1, 3, 6, -6}};
  PhasePlayer player;
  CHECK_NEAR(player.at(phases, 2, 2.0, 0.5).p, 0.125, 1e-12);
  CHECK_NEAR(player.at(phases, 2, 2.0, 1.5).p, 1 + 1.5 + 0.75 - 0.125, 1e-12);
  const Played end = player.at(phases, 2, 2.0, 5.0);
  CHECK_NEAR(end.p, 1 + 3 + 3 - 1, 1e-12);
  CHECK_NEAR(end.v, 0, 0);
}

void rotations_invert() {
  const double axes[4][3] = {{1, 0, 0}, {0.6, -0.8, 0}, {-0.36, 0.48, 0.8}, {0, 0, -1}};
  for (const double angle : {0.0, 1e-9, 1e-4, 0.3, 1.5, 3.0, 3.14159, 3.141592653589793}) {
    for (const auto& axis : axes) {
      double w[3], back[3], R[9], again[9];
      for (int i = 0; i < 3; ++i) w[i] = angle * axis[i];
      rotation_from_vector(w, R);
      vector_from_rotation(R, back);
      rotation_from_vector(back, again);
      for (int i = 0; i < 9; ++i) CHECK_NEAR(again[i], R[i], 1e-12);
      CHECK_NEAR(norm3(back), angle, 1e-9);
    }
  }
  for (double x = -20.0; x < 20.0; x += 0.37) {
    double s, c;
    sine_cosine<1>(&x, &s, &c);
    CHECK_NEAR(s, std::sin(x), 1e-15);
    CHECK_NEAR(c, std::cos(x), 1e-15);
  }
}

}  // namespace

int main() {
  ramp_keeps_acceleration_and_jerk();
  ramp_always_lands();
  stopping_speed_leaves_room();
  phases_play_as_written();
  rotations_invert();
}

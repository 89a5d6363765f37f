"""Make the film of the front page: three stages of one training run, each balancing for ten seconds.

    python tools/make_front_film.py

Trains CartPole with the default settings, stops twice on the way to look, and lets each policy play the same
episodes (one track each, from top to bottom: untrained, on the way, trained). Actions are drawn from the policy,
as in training. An episode that ends turns red, leaves a mark under its track, and the next one begins.
The pictures are drawn from the states of the environment, not by its renderer, so that they are sharp and small.

Writes book/_static/front_film.mp4, front_film.png (the poster) and front_film.json (settings, versions, what was
measured; the numbers of the front page come from it). Needs the extra "lab" for the encoder. Takes about a minute.
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path

import gymnasium as gym
import imageio_ffmpeg
import numpy as np
import torch
from PIL import Image, ImageDraw

import ppo_core
from ppo_core import PPOConfig, Trainer, make_env

STATIC = Path(__file__).resolve().parents[1] / "book" / "_static"
ON_THE_WAY = 4_000  # steps after which the second policy is taken
SEED = 7  # of the episodes in the film
SECONDS = 10  # 500 steps of 0.02 s: one whole episode of CartPole-v1
EVERY = 2  # show every second state: 25 pictures per second
HELD = 6  # pictures for which an ended episode stays in view

WIDTH, HEIGHT, SCALE = (
    960,
    256,
    3,
)  # of one track, and the factor by which it is drawn larger for smooth edges
INK, TEAL, AMBER, RED, GROUND, MARK = "#1b2630", "#0b6477", "#c2611a", "#b02a37", "#9aa6b1", "#b02a37"


def play(trainer: Trainer) -> list[tuple[np.ndarray, bool, int]]:
    """(state, ended here, episodes ended so far) for every picture of the film."""
    env, generator = make_env(trainer.config.env_id), torch.Generator().manual_seed(SEED)
    pictures, ended = [], 0
    obs, _ = env.reset(seed=SEED)
    step = 0
    while len(pictures) < SECONDS * 50 // EVERY:
        if step % EVERY == 0:
            pictures.append((obs, False, ended))
        noise = trainer.policy.noise(1, generator=generator).numpy()
        obs, _, terminated, truncated, _ = env.step(int(trainer.act(obs[None], noise)[0]))
        step += 1
        if terminated or truncated:
            ended += 1
            pictures += [(obs, True, ended)] * HELD
            obs, _ = env.reset(seed=SEED + ended)
            step = 0
    env.close()
    return pictures[: SECONDS * 50 // EVERY]


def draw(state: np.ndarray, ended: bool, marks: int) -> Image.Image:
    """One track: the cart at its place, the pole at its angle, a mark for every episode that has ended."""
    w, h, unit = WIDTH * SCALE, HEIGHT * SCALE, WIDTH * SCALE / 6.2  # the track is 4.8 units long
    image = Image.new("RGB", (w, h), "white")
    pen = ImageDraw.Draw(image)
    ground = h * 0.81
    line = 3 * SCALE

    def x_of(x: float) -> float:
        return w / 2 + x * unit

    pen.line([(x_of(-2.4), ground), (x_of(2.4), ground)], fill=GROUND, width=line)
    for end in (-2.4, 2.4):
        pen.line([(x_of(end), ground - 9 * SCALE), (x_of(end), ground + 9 * SCALE)], fill=GROUND, width=line)
    x, angle = float(state[0]), float(state[2])
    cart_w, cart_h, wheel = 0.46 * unit, 0.17 * unit, 0.052 * unit
    bottom = ground - line / 2 - wheel
    cx = x_of(x)
    for side in (-0.26, 0.26):
        pen.ellipse(
            [cx + side * cart_w - wheel, bottom - wheel, cx + side * cart_w + wheel, bottom + wheel],
            fill=TEAL,
        )
    pen.rounded_rectangle(
        [cx - cart_w / 2, bottom - cart_h, cx + cart_w / 2, bottom], radius=0.05 * unit, fill=TEAL
    )
    pivot = np.array([cx, bottom - 0.72 * cart_h])
    tip = pivot + unit * np.array([np.sin(angle), -np.cos(angle)])
    pole, thick = RED if ended else AMBER, 0.072 * unit
    pen.line([tuple(pivot), tuple(tip)], fill=pole, width=round(thick))
    for joint in (pivot, tip):
        pen.ellipse([*(joint - thick / 2), *(joint + thick / 2)], fill=pole)
    pen.ellipse([*(pivot - thick / 4.5), *(pivot + thick / 4.5)], fill="white")
    for i in range(marks):
        left = x_of(-2.4) + i * 20 * SCALE
        pen.line([(left, ground + 20 * SCALE), (left, ground + 34 * SCALE)], fill=MARK, width=4 * SCALE)
    return image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def main() -> None:
    started = time.perf_counter()
    config = PPOConfig()
    tracks, facts = [], []
    training = 0.0
    with Trainer(config) as trainer:
        iterations = trainer.run()
        for stage in (0, ON_THE_WAY // config.batch_size, config.num_iterations):
            began = time.process_time()
            while trainer.iteration < stage:
                next(iterations)
            training += time.process_time() - began
            pictures = play(trainer)
            tracks.append(pictures)
            evaluation = trainer.evaluate(num_episodes=20, seed=1000)
            sampled = trainer.evaluate(num_episodes=20, seed=1000, deterministic=False)
            facts.append(
                {
                    "iteration": trainer.iteration,
                    "steps": trainer.global_step,
                    "episodes_ended_in_film": pictures[-1][2],
                    "mean_return_most_probable_action": round(evaluation.mean, 1),
                    "mean_return_sampled_action": round(sampled.mean, 1),
                }
            )
            print(facts[-1])

    frames = []
    for pictures in zip(*tracks, strict=True):
        frame = Image.new("RGB", (WIDTH, HEIGHT * len(tracks)), "white")
        for row, picture in enumerate(pictures):
            frame.paste(draw(*picture), (0, row * HEIGHT))
        frames.append(frame)

    writer = imageio_ffmpeg.write_frames(
        str(STATIC / "front_film.mp4"), frames[0].size, fps=50 / EVERY, codec="libx264", pix_fmt_out="yuv420p",
        quality=None, output_params=["-crf", "26", "-preset", "veryslow", "-movflags", "+faststart"], macro_block_size=16,
    )  # fmt: skip
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
    poster = next(i for i in range(60, len(frames)) if tracks[0][i][1])  # an untrained pole has just fallen
    frames[poster].quantize(64).save(STATIC / "front_film.png", optimize=True)

    record = {
        "command": "python tools/make_front_film.py",
        "config": config.to_dict(),
        "film_seed": SEED,
        "longest_episode": gym.spec(config.env_id).max_episode_steps,
        "stages": facts,
        "training_processor_seconds": round(training, 1),
        "torch_threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "versions": {
            "python": platform.python_version(),
            "ppo_core": ppo_core.__version__,
            "torch": torch.__version__.split("+")[0],
            "gymnasium": gym.__version__,
        },
    }
    (STATIC / "front_film.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    size = (STATIC / "front_film.mp4").stat().st_size
    print(
        f"front_film.mp4: {len(frames)} pictures, {size / 1000:.0f} kB; {time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    main()

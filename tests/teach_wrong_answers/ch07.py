"""Wrong answers to the exercises of chapter 07, each with words of the message that it must get; and right ones."""

from __future__ import annotations

import itertools
import threading
import time
from multiprocessing import connection

import numpy as np

INF = float("inf")

# --- break_even


def equal_blocks(num_envs, num_workers, overhead):
    if num_workers == 1:
        return INF
    return overhead * num_workers / (num_envs * (num_workers - 1))


def smallest_block(num_envs, num_workers, overhead):
    saved = num_envs - num_envs // num_workers
    return overhead / saved if saved else INF


def no_work_left(num_envs, num_workers, overhead):
    return overhead / num_envs


def overhead_divided(num_envs, num_workers, overhead):
    saved = num_envs - -(-num_envs // num_workers)
    return overhead / num_workers / saved if saved else INF


def against_one_block(num_envs, num_workers, overhead):
    return overhead / -(-num_envs // num_workers)


def upside_down(num_envs, num_workers, overhead):
    return (num_envs - -(-num_envs // num_workers)) / overhead


def zero_for_never(num_envs, num_workers, overhead):
    saved = num_envs - -(-num_envs // num_workers)
    return overhead / saved if saved else 0.0


def divides_by_zero(num_envs, num_workers, overhead):
    return overhead / (num_envs - -(-num_envs // num_workers))


def idle_workers_count(num_envs, num_workers, overhead):
    blocks = (
        [num_envs / num_workers] * num_workers if num_workers > num_envs else [-(-num_envs // num_workers)]
    )
    saved = num_envs - max(blocks)
    return overhead / saved if saved else INF


def break_even_with_blocks(num_envs, num_workers, overhead):
    blocks = [len(block) for block in np.array_split(np.arange(num_envs), num_workers)]
    with np.errstate(divide="ignore"):
        return np.float64(overhead) / (sum(blocks) - max(blocks))


def break_even_by_trying(num_envs, num_workers, overhead):
    largest = max(len(range(worker, num_envs, num_workers)) for worker in range(num_workers))
    if largest == num_envs:
        return INF
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        if num_envs * middle < overhead + largest * middle:
            low = middle
        else:
            high = middle
    return low


# --- distinct_seeds


def one_seed_for_all(seed, num_envs, num_episodes):
    return np.full((num_envs, num_episodes), seed)


def index_added(seed, num_envs, num_episodes):
    return np.array([[seed + env] * num_episodes for env in range(num_envs)])


def all_added(seed, num_envs, num_episodes):
    return seed + np.arange(num_envs)[:, None] + np.arange(num_episodes)


def counted_through(seed, num_envs, num_episodes):
    return seed + np.arange(num_envs * num_episodes).reshape(num_envs, num_episodes)


def strides_too_short(seed, num_envs, num_episodes):
    return 10_000 * seed + 100 * np.arange(num_envs)[:, None] + np.arange(num_episodes)


def one_generator(seed, num_envs, num_episodes):
    return np.random.default_rng(seed).integers(2**31, size=(num_envs, num_episodes))


def one_generator_by_episode(seed, num_envs, num_episodes):
    return np.random.default_rng(seed).integers(2**31, size=(num_episodes, num_envs)).T


def not_repeatable(seed, num_envs, num_episodes):
    return np.random.default_rng().integers(2**31, size=(num_envs, num_episodes))


def episodes_first(seed, num_envs, num_episodes):
    return distinct_by_hash(seed, num_episodes, num_envs)


def flat(seed, num_envs, num_episodes):
    return distinct_by_hash(seed, num_envs, num_episodes).ravel()


def floats(seed, num_envs, num_episodes):
    return np.random.default_rng(seed).random((num_envs, num_episodes))


def sequences(seed, num_envs, num_episodes):
    return [[np.random.SeedSequence((seed, i, k)) for k in range(num_episodes)] for i in range(num_envs)]


def three_arguments(seed, num_envs, num_episodes):
    return [
        [np.random.SeedSequence((seed), i, k).generate_state(1)[0] for k in range(num_episodes)]
        for i in range(num_envs)
    ]


def below_zero(seed, num_envs, num_episodes):
    return -distinct_by_hash(seed, num_envs, num_episodes).astype(np.int64)


def distinct_by_hash(seed, num_envs, num_episodes):
    seeds = [
        [np.random.SeedSequence([seed, i, k]).generate_state(1)[0] for k in range(num_episodes)]
        for i in range(num_envs)
    ]
    return np.array(seeds)


def distinct_by_spawning(seed, num_envs, num_episodes):
    return [child.generate_state(num_episodes) for child in np.random.SeedSequence(seed).spawn(num_envs)]


def distinct_by_generators(seed, num_envs, num_episodes):
    return [
        [int(np.random.default_rng([i, seed, k]).integers(2**62)) for k in range(num_episodes)]
        for i in range(num_envs)
    ]


# --- worker_loop


def loop(
    *,
    advance=None,
    seeded=True,
    pair=False,
    catch=Exception,
    on_error=lambda error: error,
    after_error="go on",
    unknown="error",
    count=None,
    closes="all",
    answer_close=True,
    ends=True,
    own_action=True,
    recv_inside=False,
    own_seed=True,
):
    """A worker loop with one thing changed."""

    def right(env, action):
        next_obs, reward, terminated, truncated, _ = env.step(action)
        obs = env.reset()[0] if terminated or truncated else next_obs
        return obs, next_obs, reward, terminated, truncated

    advance_one = advance or right

    def worker(pipe, envs):
        numbers = itertools.count()
        number = None
        if not recv_inside:
            number, command, argument = pipe.recv()
        while True:
            try:
                if recv_inside:
                    number, command, argument = pipe.recv()
                result = None
                if command == "reset":
                    answers = [
                        env.reset(seed=(seed if own_seed else argument[0]) if seeded else None)
                        for env, seed in zip(envs, argument, strict=True)
                    ]
                    result = answers if pair else [answer[0] for answer in answers]
                elif command == "step":
                    result = [
                        advance_one(env, argument[i] if own_action else argument[0])
                        for i, env in enumerate(envs)
                    ]
                elif command == "close":
                    for env in envs if closes == "all" else envs[:1] if closes == "first" else ():
                        env.close()
                elif unknown == "error":
                    raise ValueError(f"unknown command {command!r}")
            except catch as error:
                result = on_error(error)
                if after_error == "silent":
                    number, command, argument = pipe.recv()
                    continue
                if after_error == "end":
                    pipe.send((number, result))
                    return
            if command == "close" and not answer_close:
                return
            if not (unknown == "silent" and command not in ("reset", "step", "close")):
                pipe.send((number if count is None else next(numbers), result))
            if command == "close" and ends:
                return
            if not recv_inside:
                number, command, argument = pipe.recv()

    return worker


def never_resets(env, action):
    obs, reward, terminated, truncated, _ = env.step(action)
    return obs, obs, reward, terminated, truncated


def resets_on_termination_alone(env, action):
    next_obs, reward, terminated, truncated, _ = env.step(action)
    return (env.reset()[0] if terminated else next_obs), next_obs, reward, terminated, truncated


def successor_lost(env, action):
    obs, reward, terminated, truncated, _ = env.step(action)
    if terminated or truncated:
        obs = env.reset()[0]
    return obs, obs, reward, terminated, truncated


def resets_but_sends_the_old(env, action):
    obs, reward, terminated, truncated, _ = env.step(action)
    if terminated or truncated:
        env.reset()
    return obs, obs, reward, terminated, truncated


def sends_the_pair(env, action):
    next_obs, reward, terminated, truncated, _ = env.step(action)
    return (env.reset() if terminated or truncated else next_obs), next_obs, reward, terminated, truncated


def merges_flags(env, action):
    next_obs, reward, terminated, truncated, _ = env.step(action)
    done = terminated or truncated
    return (env.reset()[0] if done else next_obs), next_obs, reward, done, False


def swapped(env, action):
    next_obs, reward, terminated, truncated, _ = env.step(action)
    return next_obs, (env.reset()[0] if terminated or truncated else next_obs), reward, terminated, truncated


def as_gymnasium(env, action):
    return env.step(action)


def one_answer_for_each(pipe, envs):
    while True:
        number, command, argument = pipe.recv()
        for i, env in enumerate(envs):
            if command == "reset":
                pipe.send((number, [env.reset(seed=argument[i])[0]]))
            elif command == "step":
                pipe.send((number, [never_resets(env, argument[i])]))
        if command == "close":
            pipe.send((number, None))
            return


def bare_answers(pipe, envs):
    while True:
        _, command, argument = pipe.recv()
        if command == "reset":
            pipe.send([env.reset(seed=seed)[0] for env, seed in zip(envs, argument, strict=True)])
        else:
            return


def catches_nothing(pipe, envs):
    def right(env, action):
        next_obs, reward, terminated, truncated, _ = env.step(action)
        return (
            (env.reset()[0] if terminated or truncated else next_obs),
            next_obs,
            reward,
            terminated,
            truncated,
        )

    while True:
        number, command, argument = pipe.recv()
        if command == "reset":
            pipe.send((number, [env.reset(seed=seed)[0] for env, seed in zip(envs, argument, strict=True)]))
        elif command == "step":
            pipe.send((number, [right(env, action) for env, action in zip(envs, argument, strict=True)]))
        else:
            for env in envs:
                env.close()
            pipe.send((number, None))
            return


def answers_once(pipe, envs):
    number, _, argument = pipe.recv()
    pipe.send((number, [env.reset(seed=seed)[0] for env, seed in zip(envs, argument, strict=True)]))


def bare_except(pipe, envs):
    work = loop()

    class Swallowing:
        def recv(self):
            while True:
                try:
                    return pipe.recv()
                except:  # noqa: E722
                    continue

        send = staticmethod(pipe.send)

    work(Swallowing(), envs)


def loop_with_match(pipe, envs):
    going = True
    while going:
        order, command, payload = pipe.recv()
        try:
            match command:
                case "reset":
                    result = [env.reset(seed=seed)[0] for env, seed in zip(envs, payload, strict=True)]
                case "step":
                    result = []
                    for env, action in zip(envs, payload, strict=True):
                        after, reward, terminated, truncated, _ = env.step(action)
                        seen = after
                        if terminated or truncated:
                            seen, _ = env.reset()
                        result.append([seen, after, reward, terminated, truncated])
                case "close":
                    result, going = [env.close() for env in envs], False
                case _:
                    result = KeyError(command)
        except Exception as problem:
            result = problem
        pipe.send((order, result))


def loop_with_a_table(pipe, envs):
    def step(actions):
        rows = []
        for env, action in zip(envs, actions, strict=True):
            next_obs, reward, *flags, _ = env.step(action)
            rows.append((env.reset()[0] if any(flags) else next_obs, next_obs, reward, *flags))
        return rows

    table = {
        "reset": lambda seeds: [env.reset(seed=seed)[0] for env, seed in zip(envs, seeds, strict=True)],
        "step": step,
        "close": lambda _: [env.close() for env in envs][:0],
    }
    while True:
        try:
            number, command, argument = pipe.recv()
        except EOFError:
            return
        try:
            result = table[command](argument)
        except Exception as error:
            result = error
        pipe.send((number, result))
        if command == "close":
            break


# --- collect


def collector(*, accept=None, limit="deadline", late="raise", error=TimeoutError, drop=10**6, pairs=False):
    """A collect() with faults to choose from."""

    def collect(number, pipes, timeout):
        deadline = time.monotonic() + timeout
        results, silent = [], []
        for i, pipe in enumerate(pipes):
            dropped = 0
            while True:
                left = {"deadline": max(0, deadline - time.monotonic()), "each": timeout, "none": 0}[limit]
                if not pipe.poll(left):
                    silent.append(i)
                    break
                about, result = pipe.recv()
                if about == number or accept == "any" or dropped >= drop:
                    results.append((about, result) if pairs else result)
                    break
                dropped += 1
            if silent and late == "first":
                raise TimeoutError(f"worker {silent[0]} gave no answer")
            if silent and late == "none":
                results.append(None)
                silent = []
        if silent:
            raise error(f"no answer from {silent if late == 'raise' else 'somebody'}")
        return results

    return collect


def collect_without_limit(number, pipes, timeout):
    results = []
    for pipe in pipes:
        about, result = pipe.recv()
        while about != number:
            about, result = pipe.recv()
        results.append(result)
    return results


def collect_by_arrival(number, pipes, timeout):
    results, waiting = [], list(pipes)
    deadline = time.monotonic() + timeout
    while waiting:
        ready = connection.wait(waiting, max(0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"no answer from {[pipes.index(pipe) for pipe in waiting]}")
        for pipe in ready:
            about, result = pipe.recv()
            if about == number:
                results.append(result)
                waiting.remove(pipe)
    return results


def collect_what_is_true(number, pipes, timeout):
    deadline = time.monotonic() + timeout
    results = [None] * len(pipes)
    for i, pipe in enumerate(pipes):
        while not results[i] and pipe.poll(max(0, deadline - time.monotonic())):
            about, result = pipe.recv()
            if about == number:
                results[i] = result
    silent = [i for i, result in enumerate(results) if not result]
    if silent:
        raise TimeoutError(f"no answer from {silent}")
    return results


def collect_and_forget_to_return(number, pipes, timeout):
    collector()(number, pipes, timeout)


def collect_by_waiting(number, pipes, timeout):
    """Another kind: watch all pipes at once."""
    found, end = {}, time.monotonic() + timeout
    while len(found) < len(pipes):
        missing = {pipe: i for i, pipe in enumerate(pipes) if i not in found}
        ready = connection.wait(list(missing), max(0, end - time.monotonic()))
        if not ready:
            raise TimeoutError("silent: " + ", ".join(str(i) for i in missing.values()))
        for pipe in ready:
            about, result = pipe.recv()
            if about == number:
                found[missing[pipe]] = result
    return [found[i] for i in range(len(pipes))]


def collect_with_threads(number, pipes, timeout):
    """Another kind: a thread for each pipe."""
    found = {}

    def listen(i, pipe):
        end = time.monotonic() + timeout
        while i not in found and pipe.poll(max(0, end - time.monotonic())):
            about, result = pipe.recv()
            if about == number:
                found[i] = result

    threads = [threading.Thread(target=listen, args=pair) for pair in enumerate(pipes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    missing = sorted(set(range(len(pipes))) - set(found))
    if missing:
        raise TimeoutError(f"nothing from {missing}")
    return tuple(found[i] for i in range(len(pipes)))


# exercise -> name of the wrong answer -> (answer, words that its message must hold)
WRONG = {
    "break_even": {
        "formula for equal blocks": (equal_blocks, "blocks of equal size"),
        "rounded down": (smallest_block, "waits for the smallest block"),
        "the workers' own work forgotten": (no_work_left, "forgets that the workers have to step"),
        "overhead divided by the workers": (
            overhead_divided,
            "overhead is not divided by the number of workers",
        ),
        "against one worker's block": (against_one_block, "compares the overhead with one worker's block"),
        "upside down": (upside_down, "solve for c"),
        "zero where workers never pay": (zero_for_never, "the answer is infinite"),
        "division by zero": (divides_by_zero, "nothing is saved and there is nothing to divide by"),
        "workers without an environment": (idle_workers_count, "has nothing to do"),
    },
    "distinct_seeds": {
        "the same seed everywhere": (one_seed_for_all, "The number of the episode has to count"),
        "the index added": (index_added, "The number of the episode has to count"),
        "index and episode added": (all_added, "live through the same episode twice"),
        "counted through": (counted_through, "share an episode"),
        "strides that are too short": (strides_too_short, "live through the same episode twice"),
        "one generator for all": (one_generator, "change with the number of episodes"),
        "one generator, episode by episode": (
            one_generator_by_episode,
            "change with the number of environments",
        ),
        "another seed each time": (not_repeatable, "no run can be repeated"),
        "episodes in the rows": (episodes_first, "one row for each environment"),
        "one long row": (flat, "one row for each environment"),
        "floats": (floats, "Seeds are integers"),
        "sequences instead of numbers": (sequences, "Seeds are integers"),
        "negative seeds": (below_zero, "A seed is negative"),
        "three arguments for one": (three_arguments, "put the three numbers into a tuple"),
    },
    "collect": {
        "the oldest answer": (collector(accept="any"), "drop every answer with another number"),
        "drops one old answer alone": (collector(drop=1), "however many there are"),
        "waits without a limit": (collect_without_limit, "recv() waits without a limit"),
        "the whole time for each worker": (collector(limit="each"), "every pipe was given the whole time"),
        "does not wait at all": (collector(limit="none"), "give poll() the seconds that are left"),
        "names the first alone": (collector(late="first"), "Name every worker that was silent"),
        "names nobody": (collector(late="nobody"), "Name every worker that was silent"),
        "None for who is silent": (collector(late="none"), "raise TimeoutError"),
        "another error": (collector(error=RuntimeError), "Raise TimeoutError"),
        "numbers and results": (collector(pairs=True), "return the results alone"),
        "in the order of arrival": (collect_by_arrival, "entry i belongs to pipes[i]"),
        "None is taken for silence": (collect_what_is_true, "None is a result like any other"),
        "no return": (collect_and_forget_to_return, "returned nothing"),
    },
    "worker_loop": {
        "no reply on an error": (loop(after_error="silent"), "got no answer"),
        "an error ends the worker": (catches_nothing, "the exception ended the loop"),
        "ends after answering an error": (loop(after_error="end"), "One bad step is no reason"),
        "only ValueError is caught": (loop(catch=ValueError), "Only some exceptions are answered"),
        "the error as text": (loop(on_error=str), "Send the exception itself"),
        "errors as None": (loop(on_error=lambda error: None), "Send the exception itself"),
        "another exception instead": (
            loop(on_error=lambda error: RuntimeError("failed")),
            "send the exception that was raised",
        ),
        "forgets reset after an ending": (loop(advance=never_resets), "did not reset it"),
        "resets on termination alone": (
            loop(advance=resets_on_termination_alone),
            "terminated or truncated is true",
        ),
        "the reset observation as next_obs": (loop(advance=successor_lost), "keep it before you reset"),
        "the last observation as obs": (
            loop(advance=resets_but_sends_the_old),
            "it must be what reset() returned",
        ),
        "obs and next_obs swapped": (loop(advance=swapped), "keep it before you reset"),
        "observation and info as obs": (loop(advance=sends_the_pair), "send the observation alone"),
        "flags merged": (loop(advance=merges_flags), "Never merge the two"),
        "Gymnasium's five entries": (loop(advance=as_gymnasium), "what Gymnasium's step() returned"),
        "one action for all": (loop(own_action=False), "got the action of environment 0"),
        "reset without seeds": (loop(seeded=False), "reset without a seed"),
        "one seed for all": (loop(own_seed=False), "entry i of the argument belongs to envs[i]"),
        "observation and info from reset": (loop(pair=True), "send the observation alone"),
        "numbers of its own": (loop(count=0), "Send back the number that came with the order"),
        "answers without a number": (bare_answers, "Every answer is a tuple of two"),
        "an answer for each environment": (one_answer_for_each, "Every order gets exactly one"),
        "an unknown command is passed over": (loop(unknown="silent"), "unknown command"),
        "an unknown command is answered with None": (loop(unknown="none"), "Answer it with an exception"),
        "closes without answering": (loop(answer_close=False), "'close' got no answer"),
        "answers close and goes on": (loop(ends=False), "Answer, then return"),
        "leaves the environments open": (loop(closes="none"), "left environment 0 open"),
        "closes the first alone": (loop(closes="first"), "left environment 1 open"),
        "recv inside the try": (loop(recv_inside=True), "Leave recv() outside the try"),
        "every exception swallowed around recv": (bare_except, "Leave recv() outside the try"),
        "answers one order and ends": (answers_once, "got no answer"),
    },
}

RIGHT = {
    "break_even": {"with blocks": break_even_with_blocks, "by trying": break_even_by_trying},
    "distinct_seeds": {
        "by hashing": distinct_by_hash,
        "by spawning": distinct_by_spawning,
        "by generators": distinct_by_generators,
    },
    "collect": {"all pipes at once": collect_by_waiting, "a thread for each pipe": collect_with_threads},
    "worker_loop": {"with match": loop_with_match, "with a table": loop_with_a_table},
}

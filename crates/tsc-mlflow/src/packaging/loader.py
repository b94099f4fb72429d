"""A tsc pipeline as a Python function: numpy and lightgbm, and the pandas that MLflow brings.

Everything is read from the bundle that Rust loads, but for `portable/tree.json`: Rust chooses the clusters
of an HDBSCAN tree anew whenever it loads one, and writes down here what it chose.

Every sum runs in the order in which Rust adds, so the results have Rust's bits: labels, strengths, values,
sources and bounds. Heads with `log1p` have them where Python and Rust call the same C library.
"""

import hashlib
import json
import math
import os

import numpy as np

# Rows that are scored together; the number changes no result.
BLOCK = 4096
# Rows from which LightGBM uses threads.
THREADED = 1024
# Distances that are held at a time: 32 MiB.
DISTANCES = 1 << 22

CLUSTER, FALLBACK, POOLED, UNAVAILABLE = range(4)
SOURCES = np.array(["cluster", "fallback", "pooled", "unavailable"], dtype=object)

ELSEWHERE = "score it with tsclust, or load it in Rust"


def _load_pyfunc(data_path):
    return Pipeline(data_path)


class Pipeline:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, data_path):
        bundle = Bundle(os.path.join(data_path, "bundle"))
        config = bundle.json("config.json")
        columns = bundle.json("schema.json")
        self.names = [column["name"] for column in columns]
        self.for_models = [i for i, column in enumerate(columns) if column["column_use"] != "cluster"]
        self.medians = np.array(bundle.json("medians.json"), dtype=np.float64)
        self.on_invalid = config["data"]["on_invalid_batch"]
        bundle.expect("scaler", "cluster_view", 1)
        self.view = View(bundle.json("scaler.json"))
        bundle.expect("clusterer", "hdbscan", 2)
        with open(os.path.join(data_path, "portable", "tree.json"), "rb") as file:
            self.clusterer = Hdbscan(bundle.read("clusterer/model.postcard"), json.load(file))
        self.fallback = None
        if bundle.holds("fallback"):
            bundle.expect("fallback", "knn", 1)
            self.fallback = Knn(bundle.read("fallback/model.postcard"))
        serving = (config["models"]["noise_value"], config["degradation"]["mode"] == "strict")
        self.target = Head(bundle, "models/target", *serving)
        index = bundle.json("models/resource/resources.json")
        check_version("models/resource/resources.json", index["format_version"], 1)
        self.resources = [Resource(bundle, head, *serving) for head in index["heads"]]

    def predict(self, model_input, params=None):
        """One row per row of `model_input`, in the columns of `tsclust score`.

        A row with a NaN or infinite cell is treated as `data.on_invalid_batch` says.
        """
        # What MLflow hands over is a frame of pandas already.
        import pandas

        x = self.matrix(model_input)
        x, usable = self.screen(x)
        n = len(x)
        out = {"density_label": np.full(n, -1, dtype=np.int64), "label": np.full(n, -1, dtype=np.int64)}
        out["strength"] = np.zeros(n)
        out["value"] = np.full(n, np.nan)
        out["source"] = np.full(n, SOURCES[UNAVAILABLE], dtype=object)
        for name in self.further_columns():
            out[name] = np.full(n, np.nan)
        for start in range(0, len(usable), BLOCK):
            rows = usable[start : start + BLOCK]
            for name, values in self.score(x[rows]).items():
                out[name][rows] = values
        return pandas.DataFrame(out, index=getattr(model_input, "index", None))

    def matrix(self, given):
        """The features in the order of the fit: by name from a frame, by position from an array."""
        if not hasattr(given, "columns"):
            x = np.array(given, dtype=np.float64)
            if x.ndim != 2 or x.shape[1] != len(self.names):
                width = x.shape[1] if x.ndim == 2 else x.shape
                raise ValueError(
                    f"batch has {width} features, the model was fitted on {len(self.names)} (TSC-DAT-007)"
                )
            return x
        present = list(given.columns)
        missing = [name for name in self.names if name not in present]
        if missing:
            raise ValueError(f"the batch lacks the features {missing}")
        x = np.empty((len(given), len(self.names)))
        for i, name in enumerate(self.names):
            if present.count(name) > 1:
                raise ValueError(f"the batch has several columns {name!r}")
            try:
                x[:, i] = given[name].to_numpy(dtype=np.float64, na_value=np.nan)
            except (TypeError, ValueError):
                raise ValueError(f"feature {name!r} is not a column of numbers") from None
        return x

    def screen(self, x):
        """The rows, cells filled where medians fill them, and which of them can be scored."""
        finite = np.isfinite(x)
        usable = finite.all(axis=1)
        if usable.all():
            return x, np.arange(len(x))
        if self.on_invalid == "impute_median":
            return np.where(finite, x, self.medians), np.arange(len(x))
        if self.on_invalid == "reject":
            bad = np.flatnonzero(~usable)
            cells = [(row, np.flatnonzero(~finite[row])[0]) for row in bad[:10]]
            named = [
                f"feature [{row}, {c}] ({self.names[c]}) is {'NaN' if np.isnan(x[row, c]) else 'infinite'}"
                for row, c in cells
            ]
            raise ValueError(
                f"{len(bad)} of {len(x)} rows hold invalid cells: {', '.join(named)} (TSC-DAT-020)"
            )
        return x, np.flatnonzero(usable)

    def further_columns(self):
        names = bound_names("value", self.target.levels())
        for head in self.resources:
            names += [head.name] + bound_names(head.name, head.models.levels())
        return names

    def score(self, x):
        with np.errstate(all="ignore"):
            view = self.view.of(x)
            density, strength = self.clusterer.assign(view)
            label = density.copy()
            noise = np.flatnonzero(density < 0)
            if self.fallback is not None and len(noise):
                label[noise], strength[noise] = self.fallback.assign(view[noise])
            x = np.ascontiguousarray(x[:, self.for_models])
            value, source, bounds = self.target.predict(x, density, label)
            out = {"density_label": density, "label": label, "strength": strength, "value": value}
            out["source"] = SOURCES[source]
            out.update(zip(bound_names("value", self.target.levels()), bounds))
            for head in self.resources:
                value, bounds = head.predict(x, density, label)
                out[head.name] = value
                out.update(zip(bound_names(head.name, head.models.levels()), bounds))
        return out


def bound_names(name, levels):
    written = [np.format_float_positional(level, trim="-") for level in levels]
    return [f"{name} {side} {level}" for level in written for side in ("lower", "upper")]


def check_version(what, found, known):
    if found != known:
        raise ValueError(f"{what} has version {found}, this loader reads version {known}; {ELSEWHERE}")


class Bundle:
    """The files of a bundle, each compared with the manifest's checksum."""

    def __init__(self, root):
        self.root = root
        with open(os.path.join(root, "manifest.json"), "rb") as file:
            manifest = json.load(file)
        check_version("the bundle", manifest["format_version"], 1)
        self.stages = manifest["stages"]
        self.checksums = {file["path"]: file["sha256"] for file in manifest["files"]}

    def holds(self, stage):
        return stage in self.stages

    def expect(self, stage, name, version):
        found = self.stages[stage]
        if found["name"] != name:
            raise ValueError(f"the {stage} is {found['name']}, Python serves {name} only; {ELSEWHERE}")
        check_version(f"the {stage} {name}", found["version"], version)

    def read(self, path):
        with open(os.path.join(self.root, *path.split("/")), "rb") as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != self.checksums.get(path):
            raise ValueError(f"{path} is damaged: its checksum is not the manifest's")
        return content

    def json(self, path):
        return json.loads(self.read(path))


class Postcard:
    """Reads Rust's postcard format: varints, little-endian doubles, lengths before lists."""

    def __init__(self, content):
        self.content = content
        self.at = 0

    def byte(self):
        self.at += 1
        return self.content[self.at - 1]

    def flag(self):
        return self.byte() == 1

    def unsigned(self):
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def signed(self):
        value = self.unsigned()
        return (value >> 1) ^ -(value & 1)

    def double(self):
        return self.doubles(1)[0]

    def doubles(self, count):
        values = np.frombuffer(self.content, "<f8", count, self.at)
        self.at += 8 * count
        return values.astype(np.float64)

    def optional(self, read):
        return read() if self.flag() else None

    def list(self, read):
        return [read() for _ in range(self.unsigned())]

    def metric(self):
        name = ["euclidean", "manhattan", "chebyshev", "minkowski", "cosine", "haversine"][self.unsigned()]
        if name == "minkowski":
            power = self.double()
            # As in Rust, these two are the plain metrics.
            name = {1.0: "manhattan", 2.0: "euclidean"}.get(power, name)
        if name in ("minkowski", "haversine"):
            raise ValueError(f"Python does not serve the metric {name}; {ELSEWHERE}")
        return name


class View:
    """What clusterer and fallback see: chosen columns, standardised, clipped, projected."""

    def __init__(self, stored):
        self.columns = stored["columns"]
        self.mean = np.array(stored["mean"])
        self.scale = np.array(stored["scale"])
        self.clip = stored["clip"]
        self.projection = stored["projection"]

    def of(self, x):
        view = np.clip((x[:, self.columns] - self.mean) / self.scale, -self.clip, self.clip)
        if self.projection is None:
            return view
        out = np.zeros((len(x), len(self.projection["components"])))
        for k, component in enumerate(self.projection["components"]):
            for c, (mean, weight) in enumerate(zip(self.projection["mean"], component)):
                out[:, k] += (view[:, c] - mean) * weight
        return out


class Neighbors:
    """Exact distances to the training rows, summed over the features in their order."""

    def __init__(self, rows, metric):
        self.rows = rows
        self.metric = metric
        self.columns = np.ascontiguousarray(self.prepared(rows).T)

    def prepared(self, rows):
        if self.metric != "cosine":
            return rows
        if not rows.any(axis=1).all():
            raise ValueError("a row of zeros has no cosine distance")
        rows = rows / np.abs(rows).max(axis=1)[:, None]
        squares = np.zeros(len(rows))
        for column in rows.T:
            squares += column * column
        return rows / np.sqrt(squares)[:, None]

    def pieces(self, queries):
        """Positions of some queries with their distances to all rows, a piece at a time."""
        step = max(1, DISTANCES // max(1, len(self.rows)))
        for start in range(0, len(queries), step):
            at = slice(start, min(start + step, len(queries)))
            yield at, self.distances(queries[at])

    def distances(self, queries):
        queries = self.prepared(queries)
        total = np.zeros((len(queries), self.columns.shape[1]))
        for query, column in zip(queries.T, self.columns):
            if self.metric == "cosine":
                total += query[:, None] * column
                continue
            difference = query[:, None] - column
            if self.metric == "euclidean":
                difference *= difference
                total += difference
            elif self.metric == "manhattan":
                total += np.abs(difference)
            else:
                np.maximum(total, np.abs(difference), out=total)
        if self.metric == "euclidean":
            return np.sqrt(total)
        if self.metric == "cosine":
            return self.angles(queries, total)
        return total

    def angles(self, queries, dots):
        distances = np.minimum(1.0 - dots, 2.0)
        distances[distances <= 0.0] = 0.0
        # Rounding must not move a row away from itself.
        for i, j in np.argwhere((distances > 0.0) & (distances <= 1e-12)):
            if (queries[i] == self.columns[:, j]).all():
                distances[i, j] = 0.0
        return distances


class Hdbscan:
    """Joins a row to the training row of least mutual reachability, then goes up while it is too sparse."""

    def __init__(self, content, tree):
        reader = Postcard(content)
        min_cluster_size = reader.unsigned()
        min_samples = reader.optional(reader.unsigned)
        counts_self = reader.flag()
        metric = reader.metric()
        self.alpha = reader.double()
        reader.flag()  # leaf
        epsilon = reader.double()
        reader.optional(reader.double)  # epsilon_max
        reader.double()  # persistence
        reader.optional(reader.unsigned)  # max_cluster_size
        reader.flag()  # allow_single_cluster
        reader.optional(reader.unsigned)  # n_clusters
        if reader.flag():
            raise ValueError(f'Python does not serve hdbscan_params.prediction = "hdbscan"; {ELSEWHERE}')
        reader.unsigned()  # plan
        reader.unsigned()  # max_matrix_bytes
        width = reader.unsigned()
        if not reader.flag():
            raise ValueError("the clusterer was stored without its training rows, it assigns nothing")
        rows = reader.doubles(reader.unsigned()).reshape(-1, width)
        self.core = reader.doubles(reader.unsigned())
        asked = (min_cluster_size if min_samples is None else min_samples) - int(counts_self)
        self.k = min(asked, len(rows))
        self.near = Neighbors(rows, metric)
        self.row_cluster = np.array(tree["row_cluster"], dtype=np.int64)
        self.row_lambda = _or_infinite(tree["row_lambda"])
        self.parent = _or_none(tree["parent"])
        self.birth = _or_infinite(tree["birth"])
        self.top = _or_infinite(tree["top"])
        self.holder = _or_none(tree["holder"])
        self.label = np.array(tree["label"], dtype=np.int64)
        # Lambda from which a row belongs to the root, where the root is a cluster.
        self.root_floor = None
        if self.holder[0] == 0:
            self.root_floor = 1.0 / epsilon if epsilon > 0.0 else self.top[0]
        if len(self.row_cluster) != len(rows):
            raise ValueError("portable/tree.json is of another clusterer than the bundle's")

    def assign(self, view):
        cluster = np.empty(len(view), dtype=np.int64)
        density = np.empty(len(view))
        for at, distance in self.near.pieces(view):
            row, same, weight = self.attach(view[at], distance)
            density[at] = np.where(same, self.row_lambda[row], 1.0 / weight)
            beside = self.row_cluster[row]
            stays = self.row_lambda[row] <= density[at]
            cluster[at] = np.where(stays, beside, self.climb(beside, density[at]))
        if self.root_floor is None:
            held = self.holder[cluster]
        else:
            held = np.where((density >= self.root_floor) & (density > 0.0), 0, -1)
        label = np.where(held >= 0, self.label[held], -1)
        top = self.top[held]
        share = np.where(np.isinf(top), 0.0, np.minimum(density, top) / top)
        share = np.where((top == 0.0) | np.isinf(density), 1.0, share)
        return label, np.where(label >= 0, share, 0.0)

    def attach(self, view, distance):
        """For each row the training row it joins, whether that is the same row, and the weight of the link."""
        own_core = np.partition(distance, self.k - 1, axis=1)[:, self.k - 1]
        weight = np.maximum(np.maximum(distance / self.alpha, self.core), own_core[:, None])
        least = weight.min(axis=1)
        # Ties: the nearer, the denser, the smaller.
        query, row = np.nonzero(weight == least[:, None])
        order = np.lexsort((row, self.core[row], distance[query, row], query))
        row = row[order][np.searchsorted(query[order], np.arange(len(view)))]
        same = (distance == 0.0).any(axis=1)
        for i in np.flatnonzero(same):
            zeros = np.flatnonzero(distance[i] == 0.0)
            # Different rows can be at distance 0 when their squares underflow; the equal one decides.
            equal = zeros[(self.near.rows[zeros] == view[i]).all(axis=1)]
            row[i] = equal[0] if len(equal) else zeros[0]
        return row, same, least

    def climb(self, cluster, density):
        """The nearest cluster at or above that was born below the density."""
        while True:
            above = (self.birth[cluster] >= density) & (self.parent[cluster] >= 0)
            if not above.any():
                return cluster
            cluster = np.where(above, self.parent[cluster], cluster)


def _or_infinite(values):
    return np.array([math.inf if value is None else value for value in values], dtype=np.float64)


def _or_none(values):
    return np.array([-1 if value is None else value for value in values], dtype=np.int64)


class Knn:
    """Labels noise by a vote of the nearest labelled rows; abstains where they are far or disagree."""

    def __init__(self, content):
        reader = Postcard(content)
        k = reader.unsigned()
        self.uniform = reader.unsigned() == 0
        reader.unsigned()  # algorithm
        metric = reader.metric()
        if reader.unsigned() == 2:  # max_distance as a number; the caps below were made of it
            reader.double()
        self.min_strength = reader.double()
        reader.flag()  # evaluate
        width = reader.unsigned()
        rows = reader.doubles(reader.unsigned()).reshape(-1, width)
        self.code = np.array(reader.list(reader.unsigned), dtype=np.int64)
        self.labels = np.array(reader.list(reader.signed), dtype=np.int64)
        self.caps = reader.doubles(reader.unsigned())
        self.k = min(k, len(rows))
        self.near = Neighbors(rows, metric)

    def assign(self, view):
        label = np.empty(len(view), dtype=np.int64)
        strength = np.empty(len(view))
        for at, distance in self.near.pieces(view):
            label[at], strength[at] = self.vote(*self.nearest(distance))
        return label, strength

    def nearest(self, distance):
        """Distances and codes of the k nearest, of equally near ones the smaller rows."""
        kth = np.partition(distance, self.k - 1, axis=1)[:, self.k - 1]
        rows = np.empty((len(distance), self.k), dtype=np.int64)
        for i, limit in enumerate(kth):
            near = np.flatnonzero(distance[i] <= limit)
            rows[i] = near[np.argsort(distance[i, near], kind="stable")][: self.k]
        return np.take_along_axis(distance, rows, axis=1), self.code[rows]

    def vote(self, distance, code):
        every = np.arange(len(distance))
        inverse = 1.0 / distance
        # A distance whose reciprocal overflows counts as 0, and one that is infinite says nothing.
        exact = np.isinf(inverse)
        uniform = np.isinf(distance).all(axis=1) | self.uniform
        only_exact = ~uniform & exact.any(axis=1)
        weight = np.where(only_exact[:, None], exact.astype(np.float64), inverse)
        weight = np.where(uniform[:, None], 1.0, weight)
        votes = np.zeros((len(distance), len(self.labels)))
        for j in range(self.k):
            votes[every, code[:, j]] += weight[:, j]
        total = np.zeros(len(distance))
        for column in votes.T:
            total += column
        winner = votes.argmax(axis=1)
        share = np.minimum(votes[every, winner] / total, 1.0)
        abstains = (distance[:, -1] > self.caps[winner]) | (share < self.min_strength)
        return np.where(abstains, -1, self.labels[winner]), np.where(abstains, 0.0, share)


class Head:
    """The models of one target: pooled, and one per cluster that is blended with it."""

    def __init__(self, bundle, folder, noise_value, strict):
        index = bundle.json(f"{folder}/index.json")
        check_version(f"{folder}/index.json", index["format_version"], 2)
        self.noise_by_pooled = noise_value == "pooled"
        self.strict = strict
        self.pooled = Model(bundle, folder, index["pooled"])
        self.own = {
            own["cluster"]: (own["weight"], Model(bundle, folder, own["model"]))
            for own in index["clusters"]
            if own["weight"] > 0.0
        }
        self.serves = np.isin(np.arange(index["n_clusters"] + 1), list(self.own))
        bounds = index["bounds"] or {"method": None, "corrections": []}
        self.method, self.corrections = bounds["method"], bounds["corrections"]

    def levels(self):
        return [correction["level"] for correction in self.corrections]

    def owner(self, density, label):
        """The cluster whose own model has a share in each row's value, -1 where none has."""
        owner = np.where(self.serves[label], label, -1)
        return np.where(density < 0, -1, owner) if self.noise_by_pooled else owner

    def predict(self, x, density, label):
        owner = self.owner(density, label)
        value = np.full(len(x), np.nan)
        source = np.full(len(x), UNAVAILABLE)
        alone = [cluster for cluster, (weight, _) in self.own.items() if weight >= 1.0]
        self.by_pooled(x, np.flatnonzero(~np.isin(owner, alone)), value, source)
        for cluster, (weight, model) in self.own.items():
            rows = np.flatnonzero(owner == cluster)
            served = self.checked(model.predict(x[rows]))
            if weight < 1.0:
                served = (1.0 - weight) * value[rows] + weight * served
            good = np.isfinite(served)
            value[rows[good]] = served[good]
            source[rows[good]] = np.where(density[rows[good]] < 0, FALLBACK, CLUSTER)
            if weight >= 1.0:
                self.by_pooled(x, rows[~good], value, source)
        return value, source, self.bounds_of(x, density, owner, value)

    def by_pooled(self, x, rows, value, source):
        pooled = self.checked(self.pooled.predict(x[rows]))
        good = np.isfinite(pooled)
        value[rows[good]] = pooled[good]
        source[rows[good]] = POOLED

    def checked(self, values):
        if self.strict and not np.isfinite(values).all():
            raise ValueError("a model gave no finite value, and degradation.mode is strict (TSC-MOD-090)")
        return values

    def bounds_of(self, x, density, owner, value):
        """Lower and upper bound of each level, one column after the other."""
        columns = []
        for number, correction in enumerate(self.corrections):
            if self.method == "residual":
                low, high = value, value
            else:
                low, high = (self.quantile(x, owner, 2 * number + side) for side in (0, 1))
            segments = {-1 if segment is None else segment: by for segment, by in correction["segments"]}
            widest = [segments.get(segment, correction["all"]) for segment in density.tolist()]
            by = np.array([np.nan if by is None else by for by in widest])
            by[~np.isfinite(value)] = np.nan
            low, high = np.fmin(low, high) - by, np.fmax(low, high) + by
            columns += [np.fmin(low, high), np.fmax(low, high)]
        return columns

    def quantile(self, x, owner, number):
        values = self.pooled.quantiles[number].predict(x)
        for cluster, (weight, model) in self.own.items():
            rows = np.flatnonzero(owner == cluster)
            values[rows] = (1.0 - weight) * values[rows] + weight * model.quantiles[number].predict(x[rows])
        return values


class Resource:
    """A head in its unit."""

    def __init__(self, bundle, head, noise_value, strict):
        self.name = f"{head['kind']} ({head['unit']})"
        self.is_log = head["transform"] == "log1p"
        self.models = Head(bundle, f"models/resource/{head['kind']}", noise_value, strict)

    def predict(self, x, density, label):
        value, _, bounds = self.models.predict(x, density, label)
        value = self.in_unit(value)
        return np.where(np.isfinite(value), value, np.nan), [self.in_unit(bound) for bound in bounds]

    def in_unit(self, values):
        return np.array([expm1(value) for value in values.tolist()]) if self.is_log else values


def expm1(value):
    try:
        # Not numpy's, which has its own on some processors.
        return math.expm1(value)
    except OverflowError:
        return math.inf


class Model:
    """The mean of the models of the folds, and the models of the bounds."""

    def __init__(self, bundle, folder, stored):
        self.members = [_member(bundle, folder, member) for member in stored["members"]]
        bounds = [{"members": members, "quantiles": []} for members in stored["quantiles"]]
        self.quantiles = [Model(bundle, folder, bound) for bound in bounds]

    def predict(self, x):
        if len(x) == 0:
            return np.empty(0)
        total = self.members[0].predict(x)
        for member in self.members[1:]:
            total = total + member.predict(x)
        return total / len(self.members)


def _member(bundle, folder, stored):
    kind, files = stored["kind"], stored["files"]
    if kind["name"] == "lightgbm":
        check_version("a model of kind lightgbm", kind["version"], 1)
        return LightGbm(bundle.read(f"{folder}/{files['model.txt']}").decode())
    if kind["name"] == "linear":
        check_version("a model of kind linear", kind["version"], 1)
        return Linear(bundle.json(f"{folder}/{files['model.json']}"))
    raise ValueError(f"Python does not serve models of kind {kind['name']}; {ELSEWHERE}")


class LightGbm:
    """LightGBM's own booster."""

    def __init__(self, text):
        # Here, because linear models need no lightgbm.
        import lightgbm

        self.booster = lightgbm.Booster(model_str=text)

    def predict(self, x):
        # For few rows, threads take longer to start than to score; 0 is all cores.
        return self.booster.predict(x, num_threads=1 if len(x) < THREADED else 0)


class Linear:
    """An intercept and a coefficient per feature."""

    def __init__(self, stored):
        self.intercept = stored["intercept"]
        self.coefficients = stored["coefficients"]

    def predict(self, x):
        value = np.full(len(x), self.intercept)
        for column, coefficient in zip(x.T, self.coefficients):
            value += coefficient * column
        return value

"""The 31 rules of the public conformance rubric, over a manifest of every kind that photoplay seals.

Rules and ids: ``asset-rubrics/asset-rubric-conformance0.2-spec2.4.yml`` of https://github.com/c2pa-org/conformance-public
(C2PA Conformance Task Force, version 0.2.0). Each is written here as a function that returns what offends it in a file's
crJSON, which c2pa-rs writes. Each also has to find fault with a manifest that was broken for it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from photoplay.safety.certificates import default_signer
from photoplay.safety.ledger import work_id
from photoplay.safety.manifest import IPTC
from photoplay.safety.reading import RECIPE_ASSERTION, read_settings
from photoplay.safety.recipe import make_recipe
from photoplay.types import Admitted, Audio, Frames, Video
from tests.safety.conftest import PLAN, TEMPLATE, SealIt, make_admitted, make_photo

Manifest: TypeAlias = dict[str, Any]
Rule: TypeAlias = Callable[[Manifest], list[Any]]
SPEC = "2.4"

INCEPTION = ("c2pa.created", "c2pa.opened")
NEEDS_NO_SOURCE_TYPE = (
    "c2pa.converted", "c2pa.published", "c2pa.repackaged", "c2pa.transcoded", "c2pa.resized.proportional", "c2pa.enhanced",
    "c2pa.edited.metadata", "c2pa.watermarked", "c2pa.watermarked.bound", "c2pa.watermarked.unbound", "c2pa.redacted",
    "c2pa.placed",
)  # fmt: skip
ILL_FORMED = (
    "assertion.action.malformed", "assertion.bmffHash.malformed", "assertion.boxesHash.malformed",
    "assertion.collectionHash.malformed", "assertion.dataHash.malformed", "assertion.external-reference.malformed",
    "assertion.external-reference.labelMismatch", "assertion.external-reference.created", "assertion.ingredient.malformed",
    "assertion.alternativeContentRepresentation.malformed", "assertion.alternativeContentRepresentation.missing",
    "assertion.multiAssetHash.malformed", "assertion.cbor.invalid", "assertion.json.invalid", "claim.cbor.invalid",
    "claim.hardBindings.missing", "claim.malformed", "claim.missing", "claim.multiple", "hashedURI.missing",
    "ingredient.manifest.missing", "assertion.boxesHash.unknownBox", "assertion.multipleHardBindings",
    "manifest.compressed.invalid", "manifest.html.multipleManifests", "manifest.inaccessible", "manifest.multipleParents",
    "manifest.structuredText.emptyReference", "manifest.structuredText.malformedReference",
    "manifest.structuredText.multipleReferences", "manifest.structuredText.noManifest",
    "manifest.structuredText.noResolutionPath", "manifest.timestamp.invalid", "manifest.timestamp.wrongParents",
    "manifest.update.invalid", "manifest.update.wrongParents",
)  # fmt: skip
INVALID = (
    "assertion.action.ingredientMismatch", "assertion.action.redactionMismatch", "assertion.bmffHash.mismatch",
    "assertion.boxesHash.mismatch", "assertion.collectionHash.mismatch", "assertion.dataHash.mismatch",
    "assertion.external-reference.hashMismatch", "assertion.alternativeContentRepresentation.hashMismatch",
    "assertion.multiAssetHash.mismatch", "assertion.hashedURI.mismatch", "assertion.hardBinding.redacted",
    "hashedURI.mismatch", "ingredient.manifest.mismatch", "ingredient.claimSignature.missing",
    "ingredient.claimSignature.mismatch", "claimSignature.missing",
)  # fmt: skip
ASSERTIONS = (
    "c2pa.hash.data", "c2pa.hash.data.part", "c2pa.actions.v2", "c2pa.ingredient.v3", "c2pa.hash.boxes",
    "c2pa.hash.bmff.v3", "c2pa.hash.collection.data", "c2pa.soft-binding", "c2pa.cloud-data", "c2pa.embedded-data",
    "c2pa.metadata", "c2pa.certificate-status", "c2pa.asset-ref", "c2pa.asset-type.v2", "c2pa.hash.multi-asset",
    "c2pa.thumbnail.claim", "c2pa.thumbnail.ingredient", "c2pa.depthmap.GDepth", "c2pa.icon",
    "c2pa.alternative-content-representation", "c2pa.external-reference", "c2pa.session-keys",
    "c2pa.environmental-sustainability", "c2pa.repository-receipt", "c2pa.ai-disclosure", "c2pa.assertion.metadata",
    "c2pa.time-stamp", "font.info",
)  # fmt: skip
ACTIONS = (
    "c2pa.addedText", "c2pa.adjustedColor", "c2pa.changedSpeed", "c2pa.color_adjustments", "c2pa.converted",
    "c2pa.created", "c2pa.cropped", "c2pa.deleted", "c2pa.drawing", "c2pa.dubbed", "c2pa.edited", "c2pa.edited.metadata",
    "c2pa.enhanced", "c2pa.filtered", "c2pa.mastered", "c2pa.mixed", "c2pa.opened", "c2pa.orientation", "c2pa.placed",
    "c2pa.published", "c2pa.redacted", "c2pa.remixed", "c2pa.removed", "c2pa.repackaged", "c2pa.resized",
    "c2pa.resized.proportional", "c2pa.transcoded", "c2pa.translated", "c2pa.trimmed", "c2pa.unknown", "c2pa.watermarked",
    "c2pa.watermarked.bound", "c2pa.watermarked.unbound",
)  # fmt: skip
OLD_ASSERTIONS = (
    "c2pa.claim", "c2pa.hash.bmff.v2", "c2pa.asset-type", "c2pa.ingredient", "c2pa.ingredient.v2", "c2pa.actions"
)  # fmt: skip
OLD_ACTIONS = (
    "c2pa.copied", "c2pa.formatted", "c2pa.version_updated", "c2pa.printed", "c2pa.managed", "c2pa.produced", "c2pa.saved",
    "c2pa.color_adjustments", "c2pa.watermarked",
)  # fmt: skip
PARAMETERS = (
    "redacted", "ingredients", "ingredient", "description", "relatedAssertions", "sourceLanguage", "targetLanguage",
    "multipleInstances", "ranges", "weight", "width", "italic", "slant", "optical-size",
)  # fmt: skip
NOT_OUTSIDE = ("c2pa.actions", "c2pa.actions.v2", "c2pa.cloud-data", "c2pa.external-reference")
PRESERVED = "exif.originalPreservationImage"


def assertions(manifest: Manifest) -> dict[str, Any]:
    return manifest.get("assertions") or {}


def bodies(manifest: Manifest) -> list[dict[str, Any]]:
    return [body for body in assertions(manifest).values() if isinstance(body, dict)]


def actions(manifest: Manifest) -> list[dict[str, Any]]:
    return [action for body in bodies(manifest) for action in body.get("actions") or ()]


def ingredients(manifest: Manifest) -> list[dict[str, Any]]:
    return [body for body in bodies(manifest) if body.get("relationship") is not None]


def claim(manifest: Manifest) -> dict[str, Any]:
    return manifest.get("claim.v2") or {}


def failures(manifest: Manifest, codes: tuple[str, ...]) -> list[str]:
    results = manifest.get("validationResults")
    if results is None:
        return ["MISSING_VALIDATION_RESULTS"]
    return [failure["code"] for failure in results.get("failure", ()) if failure["code"] in codes]


def has_results(manifest: Manifest) -> list[str]:
    return [] if manifest.get("validationResults") is not None else ["no validation results"]


def spec_version(manifest: Manifest) -> list[Any]:
    info = claim(manifest).get("claim_generator_info") or {}
    said = (info[0] if isinstance(info, list) else info).get("specVersion")
    return [] if isinstance(said, str) and said.split(".")[:2] == SPEC.split(".") else [said or "missing"]


def begins_well(manifest: Manifest) -> list[Any]:
    created = [one["url"] for one in claim(manifest).get("created_assertions", ()) if "c2pa.actions" in one["url"]]
    if not created or not created[0].endswith("c2pa.actions.v2"):
        return ["no actions among what was created"]
    names = [action["action"] for action in actions(manifest)]
    return [] if "c2pa.created" not in names or names[0] in INCEPTION else names[:1]


def legacy_parameters(manifest: Manifest) -> list[str]:
    given = [(action["action"], action.get("parameters") or {}) for action in actions(manifest)]
    return [name for name, own in given if own.get("description") is not None or own.get("ingredient") is not None]


def reviewed_by_people(manifest: Manifest) -> list[Any]:
    human = ("humanEntry.anonymous", "humanEntry.credentialed")
    rated = [body for body in bodies(manifest) if body.get("reviewRatings") is not None]
    return [body for body in rated if (body.get("dataSource") or {}).get("type") in human]


def preservation_choice(manifest: Manifest) -> list[Any]:
    wrong = []
    for body in bodies(manifest):
        own = body.get("parameters") or {}
        if PRESERVED in (body.get("type"), own.get("type")):
            chosen = [own.get("multiAssetPartIndex"), own.get("embeddedOriginalPreservationImage")]
            wrong += [body] if chosen.count(None) != 1 else []
    return wrong


def outside(manifest: Manifest) -> list[str]:
    found = []
    for body in bodies(manifest):
        label = body.get("label")
        if label is None or body.get("url") is None or body.get("relationship") is not None:
            continue
        found += [label] if label in NOT_OUTSIDE or label.startswith(("c2pa.hash", "c2pa.ingredient")) else []
    return found


def opened_and_saved(manifest: Manifest) -> list[str]:
    done = actions(manifest)
    whole = (assertions(manifest).get("c2pa.actions.v2") or {}).get("allActionsIncluded") is True
    return ["c2pa.opened"] if len(done) == 1 and done[0]["action"] == "c2pa.opened" and not whole else []


def opened_without_parent(manifest: Manifest) -> list[Any]:
    opened = [action for action in actions(manifest) if action["action"] == "c2pa.opened"]
    return [action for action in opened if len((action.get("parameters") or {}).get("ingredients") or ()) != 1]


def tiff_boxes(manifest: Manifest) -> list[str]:
    kind = (assertions(manifest).get("c2pa.asset-type.v2") or {}).get("dc:format")
    boxed = "c2pa.hash.boxes" in assertions(manifest)
    return ["c2pa.hash.boxes"] if boxed and kind in ("image/tiff", "image/x-adobe-dng") else []


def parameter_names(manifest: Manifest) -> list[str]:
    return [name for action in actions(manifest) for name in action.get("parameters") or ()]


RULES: dict[str, Rule] = {
    "mandatory_dst_for_perceptible_transformations": lambda m: [
        a["action"] for a in actions(m) if a["action"].startswith("c2pa.") and a.get("digitalSourceType") is None
        and a["action"] not in (*INCEPTION, *NEEDS_NO_SOURCE_TYPE)
    ],
    "mandatory_spec_version": spec_version,
    "mandatory_all_actions_included": lambda m: [
        b for b in bodies(m) if b.get("actions") is not None and b.get("allActionsIncluded") is None
    ],
    "no_dst_for_opened_action": lambda m: [
        a["digitalSourceType"] for a in actions(m) if a["action"] == "c2pa.opened" and a.get("digitalSourceType")
    ],
    "well_formed_data_present": has_results,
    "well_formed_success": lambda m: failures(m, ILL_FORMED),
    "valid_data_present": has_results,
    "valid_success": lambda m: failures(m, INVALID),
    "inception_action_position": begins_well,
    "no_deprecated_assertions": lambda m: [k for k in assertions(m) if k.startswith("stds.") or k in OLD_ASSERTIONS],
    "no_unsupported_assertions": lambda m: [
        k for k in assertions(m) if k.startswith("c2pa.") and k.split("__")[0] not in (*ASSERTIONS, *OLD_ASSERTIONS)
    ],
    "no_deprecated_actions": lambda m: [a["action"] for a in actions(m) if a["action"] in OLD_ACTIONS],
    "no_unsupported_actions": lambda m: [
        a["action"] for a in actions(m) if a["action"].startswith("c2pa.") and a["action"] not in ACTIONS
    ],
    "no_unrecognized_custom_assertions": lambda m: [k for k in assertions(m) if "." not in k],
    "no_unrecognized_custom_actions": lambda m: [a["action"] for a in actions(m) if "." not in a["action"]],
    "no_unrecognized_custom_action_parameters": lambda m: [
        name for name in parameter_names(m) if name not in PARAMETERS and "." not in name
    ],
    "discouraged_legacy_action_parameters": legacy_parameters,
    "active_manifest_urn": lambda m: [] if m.get("label", "").startswith("urn:c2pa:") else [m.get("label")],
    "review_ratings_datasource": reviewed_by_people,
    "ingredient_v3_no_active_manifest": lambda m: [
        i for i in ingredients(m) if i.get("activeManifest") is None and i.get("validationResults") is not None
    ],
    "ingredient_v3_mandatory_validation_results": lambda m: [
        i for i in ingredients(m) if i.get("activeManifest") is not None and i.get("validationResults") is None
    ],
    "ingredient_relationship_values": lambda m: [
        i["relationship"] for i in ingredients(m) if i["relationship"] not in ("parentOf", "inputTo", "componentOf")
    ],
    "mandatory_dst_for_created_action": lambda m: [
        a for a in actions(m) if a["action"] == "c2pa.created" and a.get("digitalSourceType") is None
    ],
    "no_deprecated_claim_fields": lambda m: ["specVersion"] if claim(m).get("specVersion") is not None else [],
    "ingredient_v3_choice": lambda m: [
        i for i in ingredients(m) if i.get("activeManifest") is not None and i.get("digitalSourceType") is not None
    ],
    "alternative_content_representation_choice": preservation_choice,
    "forbidden_labels_in_external_references": outside,
    "no_url_in_hashes": lambda m: [
        k for k in ("c2pa.hash.data", "c2pa.hash.bmff.v3") if (assertions(m).get(k) or {}).get("url")
    ],
    "all_actions_included_opened": opened_and_saved,
    "opened_action_ingredient_reference": opened_without_parent,
    "no_box_hash_for_tiff": tiff_boxes,
}  # fmt: skip


def act(manifest: Manifest, **action: Any) -> None:
    manifest["assertions"]["c2pa.actions.v2"]["actions"].append(action)


def first(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest["assertions"]["c2pa.actions.v2"]["actions"][0]
    return found


def ingredient(manifest: Manifest) -> dict[str, Any]:
    found: dict[str, Any] = manifest["assertions"]["c2pa.ingredient.v3"]
    return found


def put(manifest: Manifest, place: str, /, **body: Any) -> None:
    manifest["assertions"][place] = body


def fail(manifest: Manifest, code: str) -> None:
    manifest["validationResults"]["failure"].append({"code": code})


def only_opened(manifest: Manifest) -> None:
    body = manifest["assertions"]["c2pa.actions.v2"]
    body.update(actions=body["actions"][:1], allActionsIncluded=False)


BREAKS: dict[str, Callable[[Manifest], None]] = {
    "mandatory_dst_for_perceptible_transformations": lambda m: act(m, action="c2pa.cropped"),
    "mandatory_spec_version": lambda m: m["claim.v2"]["claim_generator_info"].update(specVersion="2.2.0"),
    "mandatory_all_actions_included": lambda m: m["assertions"]["c2pa.actions.v2"].pop("allActionsIncluded"),
    "no_dst_for_opened_action": lambda m: first(m).update(digitalSourceType="x"),
    "well_formed_data_present": lambda m: m.pop("validationResults"),
    "well_formed_success": lambda m: fail(m, "manifest.multipleParents"),
    "valid_data_present": lambda m: m.pop("validationResults"),
    "valid_success": lambda m: fail(m, "assertion.bmffHash.mismatch"),
    "inception_action_position": lambda m: act(m, action="c2pa.created") or first(m).update(action="c2pa.edited"),
    "no_deprecated_assertions": lambda m: put(m, "stds.schema-org.CreativeWork"),
    "no_unsupported_assertions": lambda m: put(m, "c2pa.nonsense__1"),
    "no_deprecated_actions": lambda m: act(m, action="c2pa.watermarked"),
    "no_unsupported_actions": lambda m: act(m, action="c2pa.animated"),
    "no_unrecognized_custom_assertions": lambda m: put(m, "recipe"),
    "no_unrecognized_custom_actions": lambda m: act(m, action="animated"),
    "no_unrecognized_custom_action_parameters": lambda m: act(m, action="c2pa.edited", parameters={"mood": 1}),
    "discouraged_legacy_action_parameters": lambda m: act(m, action="c2pa.edited", parameters={"description": "x"}),
    "active_manifest_urn": lambda m: m.update(label="urn:uuid:1"),
    "review_ratings_datasource": lambda m: put(
        m, "a.b", reviewRatings=[1], dataSource={"type": "humanEntry.anonymous"}
    ),
    "ingredient_v3_no_active_manifest": lambda m: ingredient(m).update(validationResults={}),
    "ingredient_v3_mandatory_validation_results": lambda m: ingredient(m).update(activeManifest={}),
    "ingredient_relationship_values": lambda m: ingredient(m).update(relationship="cousinOf"),
    "mandatory_dst_for_created_action": lambda m: act(m, action="c2pa.created"),
    "no_deprecated_claim_fields": lambda m: m["claim.v2"].update(specVersion="2.4.0"),
    "ingredient_v3_choice": lambda m: ingredient(m).update(activeManifest={}, digitalSourceType="x"),
    "alternative_content_representation_choice": lambda m: put(m, "a.b", type=PRESERVED),
    "forbidden_labels_in_external_references": lambda m: put(m, "a.b", label="c2pa.hash.data", url="x"),
    "no_url_in_hashes": lambda m: m["assertions"]["c2pa.hash.bmff.v3"].update(url="x"),
    "all_actions_included_opened": only_opened,
    "opened_action_ingredient_reference": lambda m: first(m).pop("parameters"),
    "no_box_hash_for_tiff": lambda m: (
        put(m, "c2pa.hash.boxes"), put(m, "c2pa.asset-type.v2", **{"dc:format": "image/tiff"})
    ),
}  # fmt: skip


# --- the manifests ----------------------------------------------------------------------------------------------


def cast() -> dict[str, Admitted]:
    """Requests of every shape that decides about ingredients and actions."""
    clip = Video(Frames(np.zeros((2, 8, 8, 3), np.uint8), 24.0), "d" * 64)
    words = {"photos": (), "consent": (), "mode": "text-to-video", "prompt": "a lighthouse at dawn", "template": ""}
    pair = {"photos": (make_photo("a"), make_photo("b", "png")), "consent": ("self", "granted")}
    sound = Audio(np.zeros(8, np.float32), 16_000, "e" * 64)
    return {
        "one photo": make_admitted(),
        "two photos": make_admitted(**pair),
        "two photos before a backdrop": make_admitted(**pair, backdrop=make_photo("c"), label="top-left"),
        "words": make_admitted(**words),
        "a clip": make_admitted(photos=(make_photo(),), consent=("self", "self"), video=clip),
        "a talking photo": make_admitted(audio=(sound,), label="bottom-right"),
    }


SEALED = [(kind, "one photo") for kind in ("png", "gif", "webp")] + [
    ("mp4", who) for who in ("one photo", "two photos", "two photos before a backdrop", "words", "a clip",
                             "a talking photo", "marked")
]  # fmt: skip
_SEEN: dict[tuple[str, str], Manifest] = {}


@pytest.fixture(params=SEALED, ids="-".join)
def manifest(request: pytest.FixtureRequest, seal_it: SealIt) -> Manifest:
    """What c2pa-rs reads from a sealed file."""
    kind, who = request.param
    if request.param not in _SEEN:
        admitted = cast()["one photo" if who == "marked" else who]
        recipe = make_recipe(admitted, TEMPLATE, PLAN, "anchor")
        mark = int(work_id(recipe), 16) if who == "marked" else None
        path = seal_it(f"film.{kind}", admitted=admitted, recipe=recipe, watermark=mark).path
        _SEEN[request.param] = read_crjson(path)
    return copy.deepcopy(_SEEN[request.param])


def read_crjson(path: Path) -> Manifest:
    import c2pa

    with (
        c2pa.Context.from_dict(read_settings(default_signer().anchors)) as context,
        c2pa.Reader(str(path), context=context) as reader,
    ):
        (found,) = json.loads(reader.crjson())["manifests"]
    assert isinstance(found, dict)
    return found


def test_there_are_as_many_rules_as_the_rubric_has() -> None:
    assert len(RULES) == 31
    assert RULES.keys() == BREAKS.keys()


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule: str, manifest: Manifest) -> None:
    assert RULES[rule](manifest) == []


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("manifest", [("mp4", "one photo")], indirect=True, ids=["broken"])
def test_a_rule_that_is_broken_is_found(rule: str, manifest: Manifest) -> None:
    BREAKS[rule](manifest)
    assert RULES[rule](manifest)


# --- what the specification asks beyond the rubric --------------------------------------------------------------


def test_nothing_fails_and_the_file_is_bound(manifest: Manifest) -> None:
    results = manifest["validationResults"]
    assert results["failure"] == []
    said = {one["code"] for one in results["success"]}
    assert {"signingCredential.trusted", "claimSignature.validated"} <= said
    assert {"assertion.bmffHash.match", "assertion.dataHash.match"} & said
    bindings = [label for label in assertions(manifest) if label.startswith("c2pa.hash.")]
    assert len(bindings) == 1


def test_no_picture_gets_in(manifest: Manifest) -> None:
    assert not [label for label in assertions(manifest) if "thumbnail" in label or "embedded" in label]
    assert not any("thumbnail" in one or "data" in one for one in ingredients(manifest))


def test_there_is_one_parent_at_most_and_the_actions_name_everything(manifest: Manifest) -> None:
    relations = [one["relationship"] for one in ingredients(manifest)]
    assert relations.count("parentOf") <= 1
    named = [
        part["url"].rsplit("/", 1)[1]
        for action in actions(manifest)
        for part in (action.get("parameters") or {}).get("ingredients", ())
    ]
    assert sorted(named) == sorted(label for label in assertions(manifest) if label.startswith("c2pa.ingredient"))
    opened = actions(manifest)[0]["action"] == "c2pa.opened"
    assert opened == ("parentOf" in relations)


def test_somebody_made_it_and_nobody_may_train_on_it(manifest: Manifest) -> None:
    info = claim(manifest)["claim_generator_info"]
    assert info["name"] == "photoplay"
    entries = assertions(manifest)["cawg.training-mining"]["entries"]
    assert len(entries) == 4
    assert all(entry == {"use": "notAllowed"} for entry in entries.values())
    made = [action["digitalSourceType"] for action in actions(manifest) if action.get("digitalSourceType")]
    assert made[0] == IPTC + "algorithmicallyEnhanced"
    assert all(action["when"].endswith("Z") for action in actions(manifest))


def test_recipe_consent_and_records_are_there_by_digest(manifest: Manifest) -> None:
    seal = assertions(manifest)[RECIPE_ASSERTION]
    assert {"recipe", "recipe_sha256", "consent", "consent_sha256", "records", "content_filter"} <= seal.keys()
    urls = [one["url"] for one in claim(manifest)["created_assertions"]]
    assert any(url.endswith(RECIPE_ASSERTION) for url in urls)


@pytest.mark.parametrize(
    ("manifest", "done"),
    [
        (("mp4", "one photo"), ["c2pa.opened", "c2pa.edited"]),
        (("mp4", "words"), ["c2pa.created"]),
        (("mp4", "two photos"), ["c2pa.created", "c2pa.placed"]),
        (("mp4", "two photos before a backdrop"), ["c2pa.created", "c2pa.placed", "c2pa.addedText"]),
        (("mp4", "a clip"), ["c2pa.created", "c2pa.placed"]),
        (("mp4", "a talking photo"), ["c2pa.opened", "c2pa.placed", "c2pa.edited", "c2pa.addedText"]),
        (("mp4", "marked"), ["c2pa.opened", "c2pa.edited", "c2pa.watermarked.unbound"]),
    ],
    indirect=["manifest"],
)
def test_the_actions_are_those_that_were_done(manifest: Manifest, done: list[str]) -> None:
    assert [action["action"] for action in actions(manifest)] == done

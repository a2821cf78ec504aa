"""What becomes of each thing of a fleet: which Thing is written, and what is said of it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.adopt.fleet import OPTIONS, credentials, found, look

from thing_operator.adopt.deciding import combine, decide, is_to_look_at
from thing_operator.adopt.model import Adoption, AdoptOptions, AdoptResult, Cluster, FoundThing, ShadowLook

NAME = "00001721"
WITH_DESIRED = replace(OPTIONS, with_desired=True)
RUNNING = Cluster(by_thing={NAME: "plant/freezer-1"}, things={"plant/freezer-1": NAME})


def decided(
    thing: FoundThing,
    shadow: ShadowLook | None = None,
    *,
    cluster: Cluster = Cluster(),  # noqa: B008 - frozen
    options: AdoptOptions = OPTIONS,
) -> Adoption:
    looks = {} if shadow is None else {thing.thing_name: shadow}
    [adoption] = decide([thing], looks, cluster=cluster, options=options)
    return adoption


def spec_of(adoption: Adoption) -> Any:
    assert adoption.thing is not None
    return adoption.thing["spec"]


class TestWritten:
    def test_a_thing_observes_and_nothing_needs_attention(self) -> None:
        adoption = decided(found(), look(version=7, desired={"a": 1}))
        assert spec_of(adoption) == {"thingName": NAME, "desiredPolicy": "Observe"}
        assert adoption == Adoption(NAME, AdoptResult.WRITTEN, "", thing=adoption.thing, version=7)

    def test_without_a_look_there_is_nothing_to_say(self) -> None:
        assert (decided(found()).message, decided(found()).version) == ("", None)

    def test_on_request_todays_desired_state_is_enforced(self) -> None:
        adoption = decided(found(), look(desired={"b": {"d": 1, "c": 2}, "a": 1}), options=WITH_DESIRED)
        spec = spec_of(adoption)
        assert spec == {
            "thingName": NAME,
            "desiredPolicy": "Merge",
            "desired": {"a": 1, "b": {"c": 2, "d": 1}},
        }
        assert list(spec["desired"]) == ["a", "b"]
        assert list(spec["desired"]["b"]) == ["c", "d"]

    def test_an_empty_desired_state_is_left_out(self) -> None:
        adoption = decided(found(), look(), options=WITH_DESIRED)
        assert spec_of(adoption) == {"thingName": NAME, "desiredPolicy": "Merge"}

    @pytest.mark.parametrize(
        ("desired", "named"),
        [
            ({"a": [{"b": 2**63}]}, "desired/a/0/b is a whole number of more than 63 bits"),
            ({"a": -(2**63) - 1}, "desired/a is a whole number"),
            ({"1": {"2": {"3": {"4": {"5": {"6": 1}}}}}}, "desired/1/2/3/4/5 is nested too deep"),
        ],
    )
    def test_what_cannot_stand_in_a_thing_is_observed(self, desired: dict[str, Any], named: str) -> None:
        adoption = decided(found(), look(desired=desired), options=WITH_DESIRED)
        assert spec_of(adoption)["desiredPolicy"] == "Observe"
        assert adoption.needs_attention
        assert named in adoption.message

    @pytest.mark.parametrize("value", [2**63 - 1, -(2**63), True, 1e300, [1], "18446744073709551616"])
    def test_numbers_that_kubernetes_keeps_are_taken(self, value: Any) -> None:
        adoption = decided(found(), look(desired={"a": value}), options=WITH_DESIRED)
        assert spec_of(adoption)["desired"] == {"a": value}

    def test_an_unknown_desired_state_is_observed(self) -> None:
        adoption = decided(found(), ShadowLook(problem="no answer"), options=WITH_DESIRED)
        assert spec_of(adoption)["desiredPolicy"] == "Observe"
        assert adoption.message == "no answer; its desired state is not known: the Thing observes"
        assert adoption.needs_attention

    def test_without_a_certificate_it_says_what_is_missing(self) -> None:
        adoption = decided(found(credentials=None, source="MIC"))
        assert adoption.result is AdoptResult.WRITTEN
        assert adoption.needs_attention
        assert "waits for the Secret thing-00001721" in adoption.message

    @pytest.mark.parametrize(
        ("shadow", "words"),
        [
            (look(version=0), "no shadow yet"),
            (look(reported={"tcxn": {"connection_status": 2}}), "it is online"),
            (look(reported={"tcxn": {"connection_status": 1}}), "it is online"),
            (look(reported={"tcxn": {"connection_status": 0}}), ""),
            (look(reported={"tcxn": []}), ""),
        ],
    )
    def test_what_the_shadow_says_is_passed_on(self, shadow: ShadowLook, words: str) -> None:
        adoption = decided(found(), shadow)
        assert words in adoption.message
        assert bool(words) == bool(adoption.message)
        assert not adoption.needs_attention

    def test_a_note_is_passed_on(self) -> None:
        assert decided(found(note="the same certificate twice")).message == "the same certificate twice"

    def test_suspended_on_request(self) -> None:
        assert spec_of(decided(found(), options=replace(OPTIONS, suspend=True)))["suspend"] is True

    def test_a_secret_of_another_name_is_named(self) -> None:
        assert spec_of(decided(found(secret_name="mine")))["credentials"] == {"secretName": "mine"}
        assert "credentials" not in spec_of(decided(found(secret_name="thing-00001721")))

    @pytest.mark.parametrize(
        ("thing", "has_secret"),
        [(found(), True), (found(secret_name="mine"), False), (found(credentials=None), False)],
    )
    def test_a_secret_is_written_on_request_where_there_is_none(
        self, thing: FoundThing, *, has_secret: bool
    ) -> None:
        assert decided(thing).secret is None
        assert (decided(thing, options=replace(OPTIONS, write_secrets=True)).secret is not None) is has_secret


class TestLeft:
    def test_a_thing_that_is_run_already(self) -> None:
        adoption = decided(found(), cluster=RUNNING)
        assert adoption == Adoption(
            NAME, AdoptResult.EXISTS, "Thing plant/freezer-1 runs it and is left as it is"
        )

    def test_a_thing_that_is_not_for_the_operator(self) -> None:
        adoption = decided(found(elsewhere="MIC's gateway runs it"))
        assert adoption == Adoption(NAME, AdoptResult.SKIPPED, "MIC's gateway runs it")

    def test_a_thing_whose_credentials_cannot_be_used(self) -> None:
        adoption = decided(found(credentials=None, problem="the key belongs to another certificate"))
        assert (adoption.result, adoption.needs_attention) == (AdoptResult.UNUSABLE, True)
        assert adoption.message == "the key belongs to another certificate"

    def test_a_thing_whose_object_name_is_taken(self) -> None:
        cluster = Cluster(by_thing={"other": f"fleet/{NAME}"}, things={f"fleet/{NAME}": "other"})
        adoption = decided(found(), cluster=cluster)
        assert (adoption.result, adoption.needs_attention) == (AdoptResult.UNUSABLE, True)
        assert f"Thing fleet/{NAME} is there and runs other" in adoption.message

    @pytest.mark.parametrize(
        ("thing", "cluster", "is_looked_at"),
        [
            (found(), Cluster(), True),
            (found(), RUNNING, False),
            (found(credentials=None), Cluster(), False),
            (found(elsewhere="m"), Cluster(), False),
        ],
    )
    def test_only_what_is_adopted_and_can_be_is_looked_at(
        self, thing: FoundThing, cluster: Cluster, *, is_looked_at: bool
    ) -> None:
        assert is_to_look_at(thing, cluster) is is_looked_at


class TestCombined:
    def test_things_come_once_and_by_name(self) -> None:
        assert [one.thing_name for one in combine([found("b"), found("a"), found("b")])] == ["a", "b"]

    @pytest.mark.parametrize("turned", [False, True])
    def test_the_list_of_mic_and_the_certificate_make_one(self, *, turned: bool) -> None:
        listed = found(credentials=None, source="MIC", elsewhere="m")
        sources = [listed, found(note="n", secret_name="s")]
        [one] = combine(reversed(sources) if turned else sources)
        assert one.credentials == credentials()
        assert (one.problem, one.secret_name, one.elsewhere, one.note) == (None, "s", "m", "n")

    def test_the_same_certificate_in_two_places_is_one(self) -> None:
        [one] = combine([found(), found(source="Secret s", secret_name="s")])
        assert (one.credentials, one.secret_name, one.problem) == (credentials(), "s", None)

    def test_two_certificates_are_one_too_many(self) -> None:
        [one] = combine([found(), found(source="b.zip", credentials=credentials("cd"))])
        assert one.credentials is None
        assert (
            one.problem == "there are two certificates for it, in a.zip and in b.zip: leave one of them out"
        )

    @pytest.mark.parametrize("turned", [False, True])
    def test_one_pair_that_can_be_used_is_enough(self, *, turned: bool) -> None:
        sources = [found(), found(credentials=None, problem="expired", source="b.zip")]
        [one] = combine(reversed(sources) if turned else sources)
        assert (one.credentials, one.problem) == (credentials(), None)

    def test_what_is_wrong_is_kept(self) -> None:
        [one] = combine([found(credentials=None), found(credentials=None, problem="expired")])
        assert one.problem == "expired"

"""Model cards, written from metadata, a benchmark's records and a template.

    python -m affectzoo.hub.cards [--check] [--record NAME FILE]

writes ``model_cards/<arch>.<tag>.md`` for all weights that the zoo knows and ``model_cards/<arch>.md`` for
every architecture without any. What people write stands between ``<!-- prose: NAME -->`` and
``<!-- /prose -->`` and is kept; all else is generated, figures from
``model_cards/records/<arch>.<tag>/*.json`` and from the weights.
"""

"""The run-time type checker that the tests put over the package: beartype with int accepted for float."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))

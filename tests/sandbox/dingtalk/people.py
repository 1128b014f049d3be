"""The made-up organisation whose approvals the stand-in serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


@dataclass(frozen=True)
class Department:
    """A department; ``path`` is what approvals show for the originator's."""

    id: str
    name: str
    path: str


@dataclass(frozen=True)
class Person:
    """A member of the organisation."""

    userid: str
    name: str
    department: Department


#: The platform calls the root department -1.
ROOT = Department("-1", "示例公司", "示例公司")
DEPARTMENTS = (
    Department("433000001", "财务部", "示例公司-财务中心-财务部"),
    Department("433000002", "售后部", "示例公司-客服中心-售后部"),
    Department("433000003", "天猫运营", "示例公司-运营中心-天猫运营"),
    Department("433000004", "仓储部", "示例公司-供应链-仓储部"),
    ROOT,
)
_NAMES = (
    "张三",
    "李四",
    "王小五",
    "赵六",
    "欧阳锋",
    "陈嘉怡",
    "刘洋",
    "O'Brien",
    "黄𠮷",  # a character beyond the basic plane: four bytes in UTF-8
    "Anna Li",
    "吴迪",
    "郑爽😀",
)
PEOPLE = tuple(
    Person(f"user{number:03d}", name, DEPARTMENTS[number % len(DEPARTMENTS)]) for number, name in enumerate(_NAMES, 1)
)


def anyone(dice: random.Random) -> Person:
    """Return a person."""
    return dice.choice(PEOPLE)

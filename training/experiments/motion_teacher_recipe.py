"""Settings of a distillation whose teacher finds motion in the student's frames."""

from dataclasses import dataclass, field, replace

from ..errors import RecipeError
from ..models.backbones import BackboneConfig
from ..models.motion_backbone import MotionConfig
from .distill_recipe import DistillRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionTeacherRecipe(DistillRecipe):
    """A distillation whose teacher sees the motion that it finds in the student's frames.

    Its run is one of `HiddenRecipe`; nothing but rgb is read.
    """

    motion: MotionConfig = field(
        default_factory=lambda: MotionConfig(estimator="tvl1", learns=False)
    )
    """The estimator before the teacher."""

    def __post_init__(self) -> None:
        DistillRecipe.__post_init__(self)
        if self.student.sees != "rgb" or self.other_teachers:
            raise RecipeError(
                "expected a student that sees rgb, and one teacher, where the teacher finds"
                f" motion in the same frames, got {self.student.sees} and"
                f" {len(self.teachers)}"
            )
        if self.teacher.sees == "rgb" or self.init == "teacher":
            raise RecipeError(
                "expected a teacher that sees motion, and other first weights than its"
                f" own, got {self.teacher.sees} and init {self.init}"
            )
        if self.clip.length != self.motion.frames:
            raise RecipeError(
                f"expected clips of {self.motion.frames} frames, got {self.clip.length}"
            )

    @property
    def seen_teachers(self) -> tuple[BackboneConfig, ...]:
        return (replace(self.teacher, sees="rgb"),)

    def length_of(self, net: BackboneConfig) -> int:
        return self.clip.length - (net == self.teacher)

    def entries_of_teachers(self) -> dict[str, int]:
        return {}

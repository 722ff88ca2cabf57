"""The line that is typed: keys, history and completion by prompt_toolkit, which draws nothing."""

from collections.abc import Callable
from typing import Any, Protocol

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import BufferControl, Layout, Window
from prompt_toolkit.output import DummyOutput
from wcwidth import clip

from midstream.faces.columns import flat
from midstream.faces.plain import printable
from midstream.faces.terminal.layout import laid_out
from midstream.faces.terminal.paint import PROMPT, Look, Paint
from midstream.faces.terminal.screen import Place

FEW = 3  # rows, of which none is spent on telling what is not seen
MENU = 6  # completions that are seen at a time
SHIFTED = ("left", "right", "up", "down", "home", "end")
# prompt_toolkit's own that take away what is typed, or select unseen what the next key replaces.
UNBOUND = (
    ("c-o",), ("c-q",), ("c-@",), ("escape", "#"), ("escape", "*"),
    ("c-x", "("), ("c-x", ")"), ("c-x", "e"),
    *((f"s-{key}",) for key in SHIFTED),
    *((f"c-s-{key}",) for key in SHIFTED if key not in ("up", "down")),
)  # fmt: skip
ESC_S = 0.05  # after this an Esc is one, and not the beginning of a key's sequence


class Keyboard(Protocol):
    """What keys do. Each is called in the event loop."""

    def enter(self) -> None: ...
    def queue(self) -> None: ...
    def escape(self) -> None: ...
    def ctrl_c(self) -> None: ...
    def ctrl_d(self) -> None: ...
    def reasoning(self) -> None: ...
    def sleep(self) -> None: ...


class Editor:
    """Edits what is typed.

    Args:
        changed: called after each key, so that what is seen follows.
    """

    def __init__(
        self,
        keyboard: Keyboard,
        history: History,
        completer: Completer,
        terminal: Input,
        changed: Callable[[], None],
    ) -> None:
        self._keyboard = keyboard
        self._left = False
        self.buffer = Buffer(
            multiline=True,
            history=history,
            completer=completer,
            complete_while_typing=True,
            on_completions_changed=lambda _: changed(),
        )
        self._application: Application[None] = Application(
            layout=Layout(Window(BufferControl(self.buffer))),
            key_bindings=self._bindings(),
            input=terminal,
            output=DummyOutput(),
            after_render=lambda _: changed(),
        )
        self._application.ttimeoutlen = ESC_S
        self._application.timeoutlen = ESC_S

    async def run(self) -> None:
        """Take keys until `leave`."""
        if not self._left:
            await self._application.run_async(handle_sigint=False, set_exception_handler=False)

    def leave(self) -> None:
        self._left = True
        if self._application.is_running and not self._application.is_done:
            self._application.exit()

    # -- what is typed --------------------------------------------------------------------------

    @property
    def text(self) -> str:
        return self.buffer.text

    def take(self) -> str:
        """What was typed, which becomes part of the history; the line is empty then."""
        text = self.buffer.text
        if text.strip():
            self.buffer.append_to_history()
        self.buffer.reset()
        return text

    def put(self, text: str) -> None:
        """Put words before what is typed."""
        self.buffer.text = "\n".join(filter(None, (text, self.buffer.text)))
        self.buffer.cursor_position = len(self.buffer.text)

    # -- how it looks ---------------------------------------------------------------------------

    def lines(self, width: int, most: int, paint: Paint) -> tuple[list[str], Place]:
        room = max(2, width - len(PROMPT))
        typed, cursor = self.buffer.text, self.buffer.cursor_position
        rows, place, hidden = laid_out(typed, cursor, room, most)
        if any(hidden) and most > FEW:
            rows, place, hidden = laid_out(typed, cursor, room, most - 2)
            above, below = (left_out(count, paint) for count in hidden)
            rows, place = [*above, *rows, *below], Place(place.row + len(above), place.column)
        marks = [paint(Look.YOURS, PROMPT), *["  "] * (len(rows) - 1)]
        lines = [mark + row for mark, row in zip(marks, rows, strict=True)]
        return lines, Place(place.row, place.column + len(PROMPT))

    def menu(self, width: int, paint: Paint) -> list[str]:
        """The completions around the one that is chosen."""
        state = self.buffer.complete_state
        if not state or not state.completions:
            return []
        chosen = state.complete_index or 0
        first = min(max(0, chosen - MENU + 2), max(0, len(state.completions) - MENU))
        seen = state.completions[first : first + MENU]
        room = max(len(each.display_text) for each in seen)
        lines: list[str] = []
        for n, each in enumerate(seen, first):
            mark = "▸ " if n == state.complete_index else "  "
            name, about = flat(each.display_text), flat(each.display_meta_text)
            words = clip(f"{mark}{name:{room}}  {about}".rstrip(), 0, width)
            lines.append(paint(Look.NAME if n == state.complete_index else Look.FAINT, words))
        if more := len(state.completions) - len(seen):
            lines.append(paint(Look.FAINT, f"  … {more} more"))
        return lines

    # -- keys -----------------------------------------------------------------------------------

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()
        keyboard = self._keyboard

        def bind(*names: Keys | str, to: Callable[[KeyPressEvent], None], **how: Any) -> None:
            keys.add(*names, **how)(_ending(to))

        bind("c-c", to=_calling(keyboard.ctrl_c), eager=True)
        bind("c-r", to=_calling(keyboard.reasoning), eager=True)
        bind("escape", "enter", to=_calling(keyboard.queue))
        bind("c-j", to=_new_line)
        bind("enter", to=self._enter)
        bind("escape", to=self._escape)
        bind("c-d", to=self._ctrl_d)
        bind("tab", to=self._tab)
        bind("c-z", to=_calling(keyboard.sleep))
        bind(Keys.BracketedPaste, to=_paste)
        bind(Keys.Any, to=_typed)
        for unbound in UNBOUND:
            bind(*unbound, to=_nothing)
        return keys

    def _enter(self, event: KeyPressEvent) -> None:
        state = self.buffer.complete_state
        if state and state.current_completion:
            self.buffer.apply_completion(state.current_completion)
        elif self.buffer.document.current_line_before_cursor.endswith("\\"):
            self.buffer.delete_before_cursor()
            self.buffer.insert_text("\n")
        else:
            self.buffer.cancel_completion()
            self._keyboard.enter()

    def _escape(self, event: KeyPressEvent) -> None:
        if self.buffer.complete_state:
            self.buffer.cancel_completion()
        else:
            self._keyboard.escape()

    def _ctrl_d(self, event: KeyPressEvent) -> None:
        if self.buffer.text:
            self.buffer.delete()
        else:
            self._keyboard.ctrl_d()

    def _tab(self, event: KeyPressEvent) -> None:
        state = self.buffer.complete_state
        if state and len(state.completions) == 1:
            self.buffer.apply_completion(state.completions[0])
        elif state:
            self.buffer.complete_next()
        else:
            self.buffer.start_completion(insert_common_part=True)


def left_out(lines: int, paint: Paint) -> list[str]:
    """The row in the place of lines that are not seen, or not wholly, if there are any."""
    words = "… 1 more line" if lines == 1 else f"… {lines:,} more lines"
    return [paint(Look.FAINT, words)] if lines else []


def _typed(event: KeyPressEvent) -> None:
    event.current_buffer.insert_text(printable(event.data))


def _ending(action: Callable[[KeyPressEvent], None]) -> Callable[[KeyPressEvent], None]:
    """A bug ends the program, and is told; the event loop would log it, and go on."""

    def act(event: KeyPressEvent) -> None:
        if event.app.is_done:  # keys that were pressed after the one that left
            return
        try:
            action(event)
        except Exception as error:
            event.app.exit(exception=error)

    return act


def _calling(action: Callable[[], None]) -> Callable[[KeyPressEvent], None]:
    return lambda event: action()


def _nothing(event: KeyPressEvent) -> None:
    pass


def _new_line(event: KeyPressEvent) -> None:
    event.current_buffer.insert_text("\n")


def _paste(event: KeyPressEvent) -> None:
    text = event.data.replace("\r\n", "\n").replace("\r", "\n")
    event.current_buffer.insert_text(printable(text))

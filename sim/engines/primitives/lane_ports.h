// Streams and plain ports of the lanes that run: `active` and the like have a bit for each of them.
// Behind `clock` clocks of this call, a lane is `at + clock` clocks into its step.
#define each(l, mask) \
  for (uint32_t rest = mask, l = 0; rest && (l = __builtin_ctz(rest), true); rest &= rest - 1)

// Whether a stream does not pause now.
static bool go(Stream& s) {
  if (!s.stall) return true;
  s.random ^= s.random << 13;
  s.random ^= s.random >> 17;
  s.random ^= s.random << 5;
  return (s.random >> 16) >= s.stall;
}

static void pass(Stream& s, uint64_t clock) {
  if (!s.total++) s.first = clock;
  s.last = clock;
  s.at++;
}

// A converter's stream: a word in every clock. Without words the port keeps its value.
template <class V> IN void play_always(Lane* lanes, int k, M active, V& payload) {
  each(l, active) {
    const Stream& s = lanes[l].streams[k];
    if (s.at < s.count) put(payload, l, s.words[s.at]);
  }
}
IN void played_always(Lane* lanes, int k, M active, uint64_t clock) {
  each(l, active) {
    Stream& s = lanes[l].streams[k];
    if (s.at < s.count) pass(s, lanes[l].clock + clock);
  }
}

// The lanes whose stream has words, or room for words, left.
IN M left(const Lane* lanes, int k, M active) {
  M found = 0;
  each(l, active) found |= (lanes[l].streams[k].at < lanes[l].streams[k].count) << l;
  return found;
}

// An input: the lanes that offer a word. One that is offered stays until it is taken.
template <class V> IN M offered(Lane* lanes, int k, M left, V& payload) {
  M found = 0;
  each(l, left) {
    Stream& s = lanes[l].streams[k];
    if (!s.offering) s.offering = go(s);
    if (!s.offering) continue;
    put(payload, l, s.words[s.at]);
    found |= 1 << l;
  }
  return found;
}
IN void taken(Lane* lanes, int k, M which, M& left, uint64_t clock) {
  each(l, which) {
    Stream& s = lanes[l].streams[k];
    s.offering = 0;
    pass(s, lanes[l].clock + clock);
    if (s.at == s.count) left &= ~(1 << l);
  }
}

// An output: the lanes that are ready for a word.
IN M accepting(Lane* lanes, int k, M left) {
  M found = 0;
  each(l, left) found |= go(lanes[l].streams[k]) << l;
  return found;
}
template <class V> IN void given(
    Lane* lanes, int k, M which, M& left, const V& payload, uint64_t clock) {
  each(l, which) {
    Stream& s = lanes[l].streams[k];
    s.words[s.at] = take(payload, l);
    pass(s, lanes[l].clock + clock);
    if (s.at == s.count) left &= ~(1 << l);
  }
}

// Plain ports: a value for the whole step, or one for each clock where a lane has a line.
IN M lined(const Lane* lanes, int k, M active) {
  M found = 0;
  each(l, active) found |= (lanes[l].lines[k] != nullptr) << l;
  return found;
}
template <class V> IN void set_value(const Lane* lanes, int k, M active, V& port) {
  each(l, active) put(port, l, lanes[l].values[k]);
}
template <class V> IN void get_value(Lane* lanes, int k, M active, const V& port) {
  each(l, active) lanes[l].values[k] = take(port, l);
}
template <class V> IN void set_line(const Lane* lanes, int k, M lined, V& port, uint64_t clock) {
  each(l, lined) put(port, l, lanes[l].lines[k][lanes[l].at + clock]);
}
template <class V> IN void get_line(Lane* lanes, int k, M lined, const V& port, uint64_t clock) {
  each(l, lined) lanes[l].lines[k][lanes[l].at + clock] = take(port, l);
}

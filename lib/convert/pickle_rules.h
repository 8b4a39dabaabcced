#pragma once

#include <string_view>

#include "convert/pickle.h"

namespace bantam {

// What a state dict's pickle may name, and what each of these names means: data, not a call.

// Error naming `global` ("os.system") unless the rules know it. It must not depend on anything but the name.
void check_pickle_global(std::string_view global);

// The element type of a storage class ("torch.FloatStorage"); Error for another global.
DType pickle_storage_dtype(std::string_view global);

// What the function `global` makes of the tuple `arguments`: a new value of `pickle`, or one of the
// arguments. Error naming it where it is no function, or the arguments are not its own.
PickleId apply_pickle_rule(Pickle& pickle, std::string_view global, PickleId arguments);

}  // namespace bantam

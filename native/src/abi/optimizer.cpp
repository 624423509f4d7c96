#include <algorithm>
#include <vector>

#include "abi/arrays.hpp"
#include "abi/guard.hpp"
#include "core/check.hpp"
#include "core/dtype.hpp"
#include "model/update_rules.hpp"

using namespace ortho;

namespace {

void check_gradients(const ortho_device* device, int32_t dtype, int64_t count, const void* gradients) {
    check::device(device);
    check::dtype(dtype);
    check::count("count", count);
    check::Arrays(*device, dtype).needed("gradients", gradients, count);
}

void check_groups(int32_t dtype, const ortho_parameter_group* groups, int64_t group_count, int64_t count) {
    constexpr int64_t group_bytes = sizeof *groups;
    check::at_least("group_count", group_count, 1);
    check::range("group_count", group_count, 1, check::largest_address_space / group_bytes);
    check::memory("groups", groups, group_count * group_bytes);
    for (int64_t i = 0; i < group_count; ++i) {
        const ortho_parameter_group& group = groups[i];
        if (group.offset < 0 || group.count < 0 || group.offset > count || group.count > count - group.offset)
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("groups", i),
                 "has offset %" PRId64 " and count %" PRId64 "; it must lie in 0 to %" PRId64, group.offset,
                 group.count, count);
        const auto require = [&](const char* name, double value) {
            if (!(check::finite_in(dtype, value) && value >= 0))
                fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range(name, i),
                     "is %s; it must be finite in this dtype and not negative", NumberText(value).c_str());
        };
        require("groups[].learning_rate", group.learning_rate);
        require("groups[].weight_decay", group.weight_decay);
    }
    const auto lies_before = [](const ortho_parameter_group& a, const ortho_parameter_group& b) {
        return a.offset < b.offset;
    };
    std::vector<ortho_parameter_group> sorted;
    const ortho_parameter_group* end = groups + group_count;
    if (!std::is_sorted(groups, end, lies_before)) {
        sorted.assign(groups, end);
        std::sort(sorted.begin(), sorted.end(), lies_before);
        groups = sorted.data();
        end = groups + group_count;
    }
    const ortho_parameter_group* last = nullptr;
    for (const ortho_parameter_group* group = groups; group != end; ++group) {
        if (group->count == 0)
            continue;
        if (last != nullptr && last->offset + last->count > group->offset)
            fail(ORTHO_INVALID_ARGUMENT, Argument{"groups"},
                 "overlap, at offset %" PRId64 " (count %" PRId64 ") and at offset %" PRId64 "; they must not",
                 last->offset, last->count, group->offset);
        last = group;
    }
}

void check_velocity(const check::Arrays& arrays, double momentum, const void* velocity, int64_t count) {
    check::half_open("momentum", momentum, 0, 1);
    if (momentum > 0 && velocity == nullptr)
        fail(ORTHO_INVALID_ARGUMENT, Argument::missing("velocity"), "is null; it is needed with a momentum of %s",
             NumberText(momentum).c_str());
    arrays.optional("velocity", momentum > 0 ? velocity : nullptr, count);
}

/** @param means  what epsilon is added to the root of, in words */
void check_epsilon(int32_t dtype, double epsilon, const char* means, double decay) {
    dispatch(dtype, [&]<class T>(T*) {
        const double smallest = smallest_epsilon<T>(decay);
        if (!(check::finite_in(dtype, epsilon) && epsilon >= smallest))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("epsilon"),
                 "is %s; it must be finite and at least %s in this dtype where %s decay by %s",
                 NumberText(epsilon).c_str(), NumberText(smallest).c_str(), means, NumberText(decay).c_str());
    });
}

} // namespace

ortho_status ortho_clip_gradient_norm(ortho_device* device, int32_t dtype, int64_t count, void* gradients,
                                      double max_norm, double* norm) {
    return guard([&] {
        check_gradients(device, dtype, count, gradients);
        if (!(max_norm > 0))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("max_norm"),
                 "is %s; it must be above 0, or infinite to measure only", NumberText(max_norm).c_str());
        device->run(ClipGradientNorm{static_cast<ortho_dtype>(dtype), count, gradients, max_norm, norm});
    });
}

ortho_status ortho_scale(ortho_device* device, int32_t dtype, int64_t count, double factor, void* values) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::count("count", count);
        check::Arrays(*device, dtype).needed("values", values, count);
        if (!check::finite_in(dtype, factor))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("factor"), "is %s; it must be finite in this dtype",
                 NumberText(factor).c_str());
        device->run(Scale{static_cast<ortho_dtype>(dtype), count, factor, values});
    });
}

ortho_status ortho_average(ortho_device* device, int32_t dtype, int64_t count, double decay, const void* values,
                           void* averages) {
    return guard([&] {
        check::device(device);
        check::dtype(dtype);
        check::count("count", count);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("values", values, count);
        arrays.needed("averages", averages, count);
        check::apart("averages", averages, "values", values, count * check::element_bytes(dtype));
        if (!(decay >= 0 && decay <= 1))
            fail(ORTHO_INVALID_ARGUMENT, Argument::out_of_range("decay"), "is %s; it must be from 0 to 1",
                 NumberText(decay).c_str());
        device->run(Average{static_cast<ortho_dtype>(dtype), count, decay, values, averages});
    });
}

ortho_status ortho_sgd_step(ortho_device* device, int32_t dtype, int64_t count, void* parameters, const void* gradients,
                            void* velocity, double momentum, int32_t nesterov, const ortho_parameter_group* groups,
                            int64_t group_count) {
    return guard([&] {
        check_gradients(device, dtype, count, gradients);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("parameters", parameters, count);
        check_velocity(arrays, momentum, velocity, count);
        check::flag("nesterov", nesterov);
        check_groups(dtype, groups, group_count, count);
        device->run(SgdStep{static_cast<ortho_dtype>(dtype),
                            {count, parameters, gradients, groups, group_count},
                            {velocity, momentum, nesterov == 1}});
    });
}

ortho_status ortho_adam_step(ortho_device* device, int32_t dtype, int64_t count, void* parameters,
                             const void* gradients, void* first_moment, void* second_moment,
                             void* largest_second_moment, int64_t step, double beta1, double beta2, double epsilon,
                             int32_t decoupled, const ortho_parameter_group* groups, int64_t group_count) {
    return guard([&] {
        check_gradients(device, dtype, count, gradients);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("parameters", parameters, count);
        arrays.needed("first_moment", first_moment, count);
        arrays.needed("second_moment", second_moment, count);
        arrays.optional("largest_second_moment", largest_second_moment, count);
        check::at_least("step", step, 1);
        check::half_open("beta1", beta1, 0, 1);
        check::half_open("beta2", beta2, 0, 1);
        check_epsilon(dtype, epsilon, "second moments", beta2);
        check::flag("decoupled", decoupled);
        check_groups(dtype, groups, group_count, count);
        device->run(AdamStep{
            static_cast<ortho_dtype>(dtype),
            {count, parameters, gradients, groups, group_count},
            {first_moment, second_moment, largest_second_moment, step, beta1, beta2, epsilon, decoupled == 1}});
    });
}

ortho_status ortho_rmsprop_step(ortho_device* device, int32_t dtype, int64_t count, void* parameters,
                                const void* gradients, void* square_mean, void* gradient_mean, void* velocity,
                                double decay, double momentum, double epsilon, const ortho_parameter_group* groups,
                                int64_t group_count) {
    return guard([&] {
        check_gradients(device, dtype, count, gradients);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("parameters", parameters, count);
        arrays.needed("square_mean", square_mean, count);
        arrays.optional("gradient_mean", gradient_mean, count);
        check::half_open("decay", decay, 0, 1);
        check_velocity(arrays, momentum, velocity, count);
        check_epsilon(dtype, epsilon, "means of squares", decay);
        check_groups(dtype, groups, group_count, count);
        device->run(RmspropStep{static_cast<ortho_dtype>(dtype),
                                {count, parameters, gradients, groups, group_count},
                                {square_mean, gradient_mean, velocity, decay, momentum, epsilon}});
    });
}

ortho_status ortho_lion_step(ortho_device* device, int32_t dtype, int64_t count, void* parameters,
                             const void* gradients, void* first_moment, double beta1, double beta2,
                             const ortho_parameter_group* groups, int64_t group_count) {
    return guard([&] {
        check_gradients(device, dtype, count, gradients);
        const check::Arrays arrays(*device, dtype);
        arrays.needed("parameters", parameters, count);
        arrays.needed("first_moment", first_moment, count);
        check::half_open("beta1", beta1, 0, 1);
        check::half_open("beta2", beta2, 0, 1);
        check_groups(dtype, groups, group_count, count);
        device->run(LionStep{static_cast<ortho_dtype>(dtype),
                             {count, parameters, gradients, groups, group_count},
                             {first_moment, beta1, beta2}});
    });
}
